// Answers every request with the bytes of the file that YARDSTICK_ANSWER names: what nginx, libfcgi and the kernel cost
// without a database and without JSON. Takes its listening socket on descriptor 0.

#include <stdlib.h>
#include <string.h>

#include "output.h"

static char *answer;  // behind HEAD_BYTES of room
static size_t answer_length;

static bool read_answer(void) {
  const char *name = getenv("YARDSTICK_ANSWER");
  FILE *file = name ? fopen(name, "rb") : NULL;
  if (!file || fseek(file, 0, SEEK_END) != 0) return false;
  const long size = ftell(file);
  rewind(file);
  if (size < 0 || !(answer = malloc(HEAD_BYTES + (size_t)size))) return false;
  answer_length = fread(answer + HEAD_BYTES, 1, (size_t)size, file);
  return fclose(file) == 0 && answer_length == (size_t)size;
}

int main(void) {
  FCGX_Request request;
  if (!read_answer()) {
    perror("constant: the file that YARDSTICK_ANSWER names");
    return 1;
  }
  if (FCGX_Init() != 0 || FCGX_InitRequest(&request, 0, FCGI_FAIL_ACCEPT_ON_INTR) != 0) return 1;
  while (FCGX_Accept_r(&request) >= 0) {
    char head[HEAD_BYTES];
    const size_t length = format_head(head, &request, "200 OK", answer_length <= HELD_BYTES ? (long)answer_length : -1);
    char *begin = memcpy(answer + HEAD_BYTES - length, head, length);
    if (send_bytes(&request, begin, length + answer_length, true)) {
      FCGX_Finish_r(&request);
    } else {
      FCGX_Free(&request, 1);
    }
  }
  return 0;
}
