// How the yardsticks in C send a response: whichever is less work for its size.

#pragma once

#include <errno.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/uio.h>

enum {
  HELD_BYTES = 64 << 10,  // a body up to this size has a Content-Length, as the worker's
  HEAD_BYTES = 512,       // more than the longest head
  STREAM_BYTES = 8000,    // what libfcgi's own buffer holds beside the records that end a request
  RECORD_BYTES = 65528,   // the largest content of a record that is a multiple of 8
  MAX_RECORDS = 32,       // of one writev
};

// The part of a response before its body; without `body_bytes` (negative), no Content-Length. Returns its length.
static inline size_t format_head(char head[HEAD_BYTES], const FCGX_Request *request, const char *status,
                                 long body_bytes) {
  const char *id = FCGX_GetParam("REQUEST_ID", request->envp);
  int length =
      snprintf(head, HEAD_BYTES,
               "Status: %s\r\nContent-Type: application/vnd.api+json\r\nVary: Accept\r\nX-Request-Id: %.64s\r\n"
               "Cache-Control: private, no-cache\r\nX-Content-Type-Options: nosniff\r\n",
               status, id ? id : "");
  if (body_bytes >= 0) {
    length += snprintf(head + length, HEAD_BYTES - (size_t)length, "Content-Length: %ld\r\n", body_bytes);
  }
  head[length++] = '\r';
  head[length++] = '\n';
  return (size_t)length;
}

// FastCGI records written past libfcgi, whose stream makes a write for each 8 KiB. False where nobody reads any more.
static inline bool write_records(const FCGX_Request *request, const char *bytes, size_t length) {
  unsigned char headers[MAX_RECORDS][FCGI_HEADER_LEN];
  struct iovec parts[2 * MAX_RECORDS];
  while (length > 0) {
    int count = 0;
    for (int record = 0; record < MAX_RECORDS && length > 0; ++record) {
      const size_t size = length < RECORD_BYTES ? length : RECORD_BYTES;
      unsigned char *header = headers[record];
      header[0] = FCGI_VERSION_1;
      header[1] = FCGI_STDOUT;
      header[2] = (unsigned char)(request->requestId >> 8);
      header[3] = (unsigned char)request->requestId;
      header[4] = (unsigned char)(size >> 8);
      header[5] = (unsigned char)size;
      header[6] = header[7] = 0;
      parts[count++] = (struct iovec){header, FCGI_HEADER_LEN};
      parts[count++] = (struct iovec){(char *)bytes, size};
      bytes += size;
      length -= size;
    }
    for (struct iovec *part = parts; count > 0;) {
      const ssize_t result = writev(request->ipcFd, part, count);
      if (result < 0 && errno == EINTR) continue;
      if (result < 0) return false;
      size_t written = (size_t)result;
      for (; count > 0 && written >= part->iov_len; ++part, --count) written -= part->iov_len;
      if (count == 0) break;
      part->iov_base = (char *)part->iov_base + written;
      part->iov_len -= written;
    }
  }
  return true;
}

// What is short and the last goes out with the end of the request, in one write, when FCGX_Finish_r is called.
static inline bool send_bytes(FCGX_Request *request, const char *bytes, size_t length, bool last) {
  if (last && length <= STREAM_BYTES) return FCGX_PutStr(bytes, (int)length, request->out) == (int)length;
  return write_records(request, bytes, length);
}
