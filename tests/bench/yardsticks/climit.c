// The limit of what C can do: the service's two reads by libfcgi, libmariadb's prepared statements and JSON by hand,
// with nothing that a service needs besides: no token, no look-up of the webhook, no filters, no sorting, no deep
// pages, no repair of UTF-8, no log. Takes its listening socket on descriptor 0, and the database's place in
// YARDSTICK_DB_SOCKET, YARDSTICK_DB_NAME, YARDSTICK_DB_USER and YARDSTICK_DB_PASSWORD_FILE.

#include <mysql.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

enum Field { HTTP_CODE = 1, HEADERS = 2, BODY = 4, CREATED_AT = 8, ATTRIBUTES = 15, WEBHOOK = 16, ALL = 31 };

static const char CALLS_TYPE[] = "notification/webhook/calls";
static const char PATH[] = "/api/v3/notification/webhook/";

// ---- The answer in the making. It is sent when it has grown past a limit, so that no buffer has to grow.

enum {
  SLICE_BYTES = 64 << 10,   // of a text, between two looks at the limit
  WRITE_BYTES = 512 << 10,  // the limit, once the head was sent
  QUERY_BYTES = 32 << 10,   // the longest query string; nginx takes no longer line
  PIECE_BYTES = 512 << 10,  // the most between two looks: a slice, or a link, all of it escaped, and some
};

static char buffer[HEAD_BYTES + WRITE_BYTES + PIECE_BYTES];
static char *const body = buffer + HEAD_BYTES;
static char *end;  // of what the buffer holds
static FCGX_Request request;
static const char *status;
static bool started;  // its first bytes were sent
static bool gone;     // nobody reads it any more

static void send_answer(bool last) {
  char *begin = body;
  if (!started) {
    char head[HEAD_BYTES];
    const size_t length = format_head(head, &request, status, last ? end - body : -1);
    begin = memcpy(body - length, head, length);
  }
  started = true;
  if (!gone) gone = !send_bytes(&request, begin, (size_t)(end - begin), last);
  end = body;
}

static inline void flow(void) {
  if (end - body > (started ? WRITE_BYTES : HELD_BYTES)) send_answer(false);
}

static inline void put(const char *bytes, size_t length) {
  memcpy(end, bytes, length);
  end += length;
}
#define PUT(literal) put(literal, sizeof(literal) - 1)

static void put_number(uint64_t value) {
  char digits[20];
  char *first = digits + sizeof digits;
  do {
    *--first = (char)('0' + value % 10);
  } while (value /= 10);
  put(first, (size_t)(digits + sizeof digits - first));
}

static inline void put_digits(unsigned value, int count) {
  for (char *digit = end + count; digit-- > end; value /= 10) *digit = (char)('0' + value % 10);
  end += count;
}

static void put_time(const MYSQL_TIME *time) {
  *end++ = '"';
  put_digits(time->year, 4);
  *end++ = '-';
  put_digits(time->month, 2);
  *end++ = '-';
  put_digits(time->day, 2);
  *end++ = 'T';
  put_digits(time->hour, 2);
  *end++ = ':';
  put_digits(time->minute, 2);
  *end++ = ':';
  put_digits(time->second, 2);
  *end++ = '.';
  put_digits((unsigned)(time->second_part / 1000), 3);
  PUT("Z\"");
}

// What follows the backslash that stands for a byte; 0 for a byte that stands for itself.
static const char ESCAPES[256] = {
    'u',         'u',          'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u',  //
    'u',         'u',          'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u',  //
    ['"'] = '"', ['\\'] = '\\'};

static void put_escaped(const unsigned char *text, size_t length) {
  const unsigned char *const text_end = text + length;
  const unsigned char *run = text;  // begin of the bytes that are copied as they are
  for (;;) {
    while (text_end - text >= 4 && !(ESCAPES[text[0]] | ESCAPES[text[1]] | ESCAPES[text[2]] | ESCAPES[text[3]]))
      text += 4;
    while (text < text_end && !ESCAPES[*text]) ++text;
    put((const char *)run, (size_t)(text - run));
    if (text == text_end) return;
    const char escape = ESCAPES[*text];
    *end++ = '\\';
    *end++ = escape;
    if (escape == 'u') {
      PUT("00");
      *end++ = "0123456789ABCDEF"[*text >> 4];
      *end++ = "0123456789ABCDEF"[*text & 15];
    }
    run = ++text;
  }
}

static void put_text(const char *text, size_t length) {
  *end++ = '"';
  do {
    const size_t slice = length < SLICE_BYTES ? length : SLICE_BYTES;
    put_escaped((const unsigned char *)text, slice);
    flow();
    text += slice;
    length -= slice;
  } while (length > 0);
  *end++ = '"';
}

static void put_error(const char *status_line, const char *title) {
  status = status_line;
  end = body;
  PUT("{\"jsonapi\":{\"version\":\"1.1\"},\"errors\":[{\"status\":\"");
  put(status_line, 3);
  PUT("\",\"title\":\"");
  put(title, strlen(title));
  PUT("\"}]}");
}

// ---- What is asked

static struct Query {
  uint64_t webhook_id, call_id;  // no call_id: 0, which no record has
  uint64_t page_size, page_number;
  unsigned fields;
  bool fields_given, size_given, number_given;
  char text[3 * QUERY_BYTES + 4];  // the parameters as links have them
  size_t length;
  size_t number_begin, number_end;  // where in it the page's number stands; where it should, if it does not
} query;

// A whole number without leading zeros.
static bool parse_number(const char *text, uint64_t *value) {
  const size_t digits = strspn(text, "0123456789");
  if (digits == 0 || text[digits] != '\0' || (digits > 1 && text[0] == '0')) return false;
  errno = 0;
  *value = strtoull(text, NULL, 10);
  return errno == 0;
}

static bool parse_path(const char *path) {
  if (!path || strncmp(path, PATH, sizeof PATH - 1) != 0) return false;
  char webhook[24];
  path += sizeof PATH - 1;
  const size_t length = strcspn(path, "/");
  if (length >= sizeof webhook) return false;
  memcpy(webhook, path, length);
  webhook[length] = '\0';
  path += length;
  if (!parse_number(webhook, &query.webhook_id) || strncmp(path, "/calls", 6) != 0) return false;
  path += 6;
  query.call_id = 0;
  if (*path == '\0') return true;
  return *path == '/' && parse_number(path + 1, &query.call_id) && query.call_id > 0;
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Decodes in place; false for a malformed escape, and for NUL.
static bool percent_decode(char *text) {
  char *to = text;
  for (; *text; ++text) {
    char c = *text == '+' ? ' ' : *text;
    if (c == '%') {
      const int high = hex_value(text[1]);
      const int low = high < 0 ? -1 : hex_value(text[2]);
      if (low < 0 || high + low == 0) return false;
      c = (char)(high * 16 + low);
      text += 2;
    }
    *to++ = c;
  }
  *to = '\0';
  return true;
}

static void add_encoded(const char *text) {
  for (; *text; ++text) {
    const unsigned char c = (unsigned char)*text;
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || strchr("-._~,:/", c)) {
      query.text[query.length++] = (char)c;
    } else {
      query.text[query.length++] = '%';
      query.text[query.length++] = "0123456789ABCDEF"[c >> 4];
      query.text[query.length++] = "0123456789ABCDEF"[c & 15];
    }
  }
}

static void decode_fields(char *names) {
  if (!query.fields_given) query.fields = 0;
  query.fields_given = true;
  char *rest;
  for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
    if (strcmp(name, "http_code") == 0) query.fields |= HTTP_CODE;
    if (strcmp(name, "headers") == 0) query.fields |= HEADERS;
    if (strcmp(name, "body") == 0) query.fields |= BODY;
    if (strcmp(name, "created_at") == 0) query.fields |= CREATED_AT;
    if (strcmp(name, "webhook") == 0) query.fields |= WEBHOOK;
  }
}

static bool decode_parameter(const char *name, char *value) {
  if (query.call_id == 0 && strcmp(name, "page[size]") == 0 && !query.size_given) {
    query.size_given = true;
    return parse_number(value, &query.page_size) && query.page_size >= 1 && query.page_size <= 1000;
  }
  if (query.call_id == 0 && strcmp(name, "page[number]") == 0 && !query.number_given) {
    query.number_given = true;
    query.number_end = query.length;
    query.number_begin = query.length - strlen(value);
    return parse_number(value, &query.page_number) && query.page_number >= 1;
  }
  if (strncmp(name, "fields[", 7) == 0 && strncmp(name + 7, CALLS_TYPE, sizeof CALLS_TYPE - 1) == 0 &&
      strcmp(name + 7 + sizeof CALLS_TYPE - 1, "]") == 0) {
    decode_fields(value);
    return true;
  }
  return false;
}

static bool parse_query_string(const char *given) {
  query.page_size = 1000;
  query.page_number = 1;
  query.fields = ALL;
  query.fields_given = query.size_given = query.number_given = false;
  query.length = 0;
  char text[QUERY_BYTES];
  if (!given) given = "";
  if (strlen(given) >= sizeof text) return false;
  strcpy(text, given);
  char *rest;
  for (char *name = strtok_r(text, "&", &rest); name; name = strtok_r(NULL, "&", &rest)) {
    char *value = strchr(name, '=');
    if (value) *value++ = '\0';
    if (!percent_decode(name) || (value && !percent_decode(value))) return false;
    if (query.length > 0) query.text[query.length++] = '&';
    add_encoded(name);
    if (value) {
      query.text[query.length++] = '=';
      add_encoded(value);
    }
    if (!decode_parameter(name, value ? value : name + strlen(name))) return false;
  }
  if (!query.number_given) query.number_begin = query.number_end = query.length;
  return query.page_number - 1 <= (UINT64_C(1) << 63) / query.page_size;
}

// ---- The database: one connection, and a statement for each endpoint and set of attributes, prepared when first
// needed.

// What a long column is read into; it grows where a text does not fit, and stays for the rows and requests that follow.
struct Text {
  char *bytes;
  unsigned long capacity, length;
  my_bool null;
};

static const unsigned long FIRST_CAPACITY = 64 << 10;
static const unsigned long KEPT_CAPACITY = 1 << 20;  // a larger one is given back after the request

static MYSQL *connection;
static MYSQL_STMT *statements[2 * (ATTRIBUTES + 1)];  // those of the list, then those of the record
static uint64_t parameters[3];                        // the webhook, and the record or limit and offset
static uint64_t call_id;
static uint16_t http_code;
static my_bool http_code_null;
static struct Text headers, contents;
static MYSQL_TIME created_at;
static MYSQL_BIND columns[5];

static void disconnect(void) {
  for (size_t i = 0; i < sizeof statements / sizeof *statements; ++i) {
    if (statements[i]) mysql_stmt_close(statements[i]);
    statements[i] = NULL;
  }
  if (connection) mysql_close(connection);
  connection = NULL;
}

static bool connect_database(void) {
  char password[256] = "";
  const char *name = getenv("YARDSTICK_DB_PASSWORD_FILE");
  FILE *file = name ? fopen(name, "r") : NULL;
  if (file) {
    if (fgets(password, sizeof password, file)) password[strcspn(password, "\r\n")] = '\0';
    fclose(file);
  }
  const unsigned connect_seconds = 2, statement_seconds = 5;
  connection = mysql_init(NULL);
  mysql_options(connection, MYSQL_OPT_CONNECT_TIMEOUT, &connect_seconds);
  mysql_options(connection, MYSQL_OPT_READ_TIMEOUT, &statement_seconds);
  mysql_options(connection, MYSQL_OPT_WRITE_TIMEOUT, &statement_seconds);
  mysql_options(connection, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  return mysql_real_connect(connection, NULL, getenv("YARDSTICK_DB_USER"), password, getenv("YARDSTICK_DB_NAME"), 0,
                            getenv("YARDSTICK_DB_SOCKET"), 0) != NULL;
}

static MYSQL_STMT *prepare(void) {
  const bool show = query.call_id != 0;
  const unsigned fields = query.fields & ATTRIBUTES;
  MYSQL_STMT **kept = &statements[(show ? ATTRIBUTES + 1 : 0) + fields];
  if (*kept) return *kept;
  char sql[512];
  const int length = snprintf(sql, sizeof sql,
                              "SELECT c.id%s%s%s%s FROM webhook_calls c FORCE INDEX (PRIMARY) "
                              "WHERE c.webhook_id=? AND c.created_at>UTC_TIMESTAMP(3)-INTERVAL 60 DAY%s",
                              fields & HTTP_CODE ? ",c.http_code" : "", fields & HEADERS ? ",c.headers" : "",
                              fields & BODY ? ",c.body" : "", fields & CREATED_AT ? ",c.created_at" : "",
                              show ? " AND c.id=?" : " ORDER BY c.id LIMIT ? OFFSET ?");
  MYSQL_STMT *statement = *kept = mysql_stmt_init(connection);
  if (!statement || mysql_stmt_prepare(statement, sql, (unsigned long)length) != 0) return NULL;
  MYSQL_BIND binds[3];
  memset(binds, 0, sizeof binds);
  for (int i = 0; i < 3; ++i) {
    binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
    binds[i].is_unsigned = 1;
    binds[i].buffer = &parameters[i];
  }
  return mysql_stmt_bind_param(statement, binds) == 0 ? statement : NULL;
}

static bool has_room(struct Text *text, unsigned long size) {
  if (size <= text->capacity) return true;
  free(text->bytes);
  text->bytes = malloc(size);
  text->capacity = text->bytes ? size : 0;
  return text->bytes != NULL;
}

static MYSQL_BIND column_of(enum enum_field_types type, void *variable, my_bool *null) {
  return (MYSQL_BIND){.buffer_type = type, .is_unsigned = 1, .buffer = variable, .is_null = null};
}

static MYSQL_BIND column_of_text(struct Text *text) {
  return (MYSQL_BIND){.buffer_type = MYSQL_TYPE_BLOB,
                      .buffer = text->bytes,
                      .buffer_length = text->capacity,
                      .length = &text->length,
                      .is_null = &text->null};
}

static bool bind_columns(MYSQL_STMT *statement) {
  MYSQL_BIND *column = columns;
  *column++ = column_of(MYSQL_TYPE_LONGLONG, &call_id, NULL);
  if (query.fields & HTTP_CODE) *column++ = column_of(MYSQL_TYPE_SHORT, &http_code, &http_code_null);
  if (query.fields & HEADERS) *column++ = column_of_text(&headers);
  if (query.fields & BODY) *column++ = column_of_text(&contents);
  if (query.fields & CREATED_AT) *column++ = column_of(MYSQL_TYPE_DATETIME, &created_at, NULL);
  return mysql_stmt_bind_result(statement, columns) == 0;
}

// Reads a text that its buffer was too small for, into a larger one.
static bool fetch_long(MYSQL_STMT *statement, struct Text *text, unsigned column, bool *changed) {
  if (text->null || text->length <= text->capacity) return true;
  *changed = true;
  if (!has_room(text, text->length + text->length / 4)) return false;
  MYSQL_BIND bind = column_of_text(text);
  return mysql_stmt_fetch_column(statement, &bind, column, 0) == 0;
}

enum Fetched { ROW, NO_ROW, FAILED };

static enum Fetched fetch_row(MYSQL_STMT *statement) {
  const int result = mysql_stmt_fetch(statement);
  if (result == MYSQL_NO_DATA) return NO_ROW;
  if (result != 0 && result != MYSQL_DATA_TRUNCATED) return FAILED;
  bool changed = false;
  unsigned column = query.fields & HTTP_CODE ? 2 : 1;
  if (query.fields & HEADERS && !fetch_long(statement, &headers, column++, &changed)) return FAILED;
  if (query.fields & BODY && !fetch_long(statement, &contents, column, &changed)) return FAILED;
  return changed && !bind_columns(statement) ? FAILED : ROW;
}

// The rows are read as they arrive: mysql_stmt_store_result() made a page of 1000 cost half as much again, and no page
// cheaper.
static MYSQL_STMT *execute(void) {
  if (!connection && !connect_database()) return NULL;
  MYSQL_STMT *statement = prepare();
  if (!statement || !has_room(&headers, FIRST_CAPACITY) || !has_room(&contents, FIRST_CAPACITY)) return NULL;
  parameters[0] = query.webhook_id;
  parameters[1] = query.call_id ? query.call_id : query.page_size + 1;
  parameters[2] = (query.page_number - 1) * query.page_size;
  if (mysql_stmt_execute(statement) != 0 || !bind_columns(statement)) return NULL;
  // As a connector does that keeps whole results: the yardstick cstore.
  if (getenv("YARDSTICK_STORE") && mysql_stmt_store_result(statement) != 0) return NULL;
  return statement;
}

static void shrink(struct Text *text) {
  if (text->capacity <= KEPT_CAPACITY) return;
  free(text->bytes);
  *text = (struct Text){0};
}

// ---- The documents

static void put_nullable(const struct Text *text) {
  if (text->null) {
    PUT("null");
  } else {
    put_text(text->bytes, text->length);
  }
}

static void put_call(void) {
  PUT("{\"type\":\"notification/webhook/calls\",\"id\":\"");
  put_number(call_id);
  *end++ = '"';
  if (query.fields & ATTRIBUTES) {
    PUT(",\"attributes\":{");
    if (query.fields & HTTP_CODE) {
      PUT("\"http_code\":");
      if (http_code_null) {
        PUT("null");
      } else {
        put_number(http_code);
      }
      *end++ = ',';
    }
    if (query.fields & HEADERS) {
      PUT("\"headers\":");
      put_nullable(&headers);
      *end++ = ',';
    }
    if (query.fields & BODY) {
      PUT("\"body\":");
      put_nullable(&contents);
      *end++ = ',';
    }
    if (query.fields & CREATED_AT) {
      PUT("\"created_at\":");
      put_time(&created_at);
      *end++ = ',';
    }
    end[-1] = '}';  // in the place of the last comma
  }
  if (query.fields & WEBHOOK) {
    PUT(",\"relationships\":{\"webhook\":{\"data\":{\"type\":\"notification/webhooks\",\"id\":\"");
    put_number(query.webhook_id);
    PUT("\"}}}");
  }
  *end++ = '}';
  flow();
}

static void begin_link(const char *name) {
  flow();
  *end++ = '"';
  put(name, strlen(name));
  PUT("\":\"");
  put(PATH, sizeof PATH - 1);
  put_number(query.webhook_id);
  PUT("/calls");
}

static void put_self_link(void) {
  begin_link("self");
  if (query.call_id) {
    *end++ = '/';
    put_number(query.call_id);
  }
  if (query.length > 0) *end++ = '?';
  put(query.text, query.length);
  *end++ = '"';
}

static void put_page_link(const char *name, uint64_t page) {
  *end++ = ',';
  begin_link(name);
  *end++ = '?';
  put(query.text, query.number_begin);
  if (!query.number_given) {
    if (query.length > 0) *end++ = '&';
    PUT("page%5Bnumber%5D=");
  }
  put_number(page);
  put(query.text + query.number_end, query.length - query.number_end);
  *end++ = '"';
}

static bool respond_with_call(void) {
  MYSQL_STMT *statement = execute();
  if (!statement) return false;
  const enum Fetched fetched = fetch_row(statement);
  if (fetched == NO_ROW) put_error("404 Not Found", "Not found");
  if (fetched == ROW) {
    PUT("{\"jsonapi\":{\"version\":\"1.1\"},\"data\":");
    put_call();
    PUT(",\"links\":{");
    put_self_link();
    PUT("}}");
  }
  return mysql_stmt_free_result(statement) == 0 && fetched != FAILED;
}

static bool respond_with_list(void) {
  MYSQL_STMT *statement = execute();
  if (!statement) return false;
  PUT("{\"jsonapi\":{\"version\":\"1.1\"},\"data\":[");
  enum Fetched fetched = fetch_row(statement);
  for (uint64_t rows = 0; fetched == ROW && rows < query.page_size && !gone; ++rows) {
    if (rows > 0) *end++ = ',';
    put_call();
    fetched = fetch_row(statement);
  }
  if (mysql_stmt_free_result(statement) != 0 || fetched == FAILED) return false;
  PUT("],\"links\":{");
  put_self_link();
  put_page_link("first", 1);
  if (query.page_number > 1) put_page_link("prev", query.page_number - 1);
  if (fetched == ROW) put_page_link("next", query.page_number + 1);
  PUT("}}");
  return true;
}

static bool respond(void) {
  status = "200 OK";
  end = body;
  if (query.call_id ? respond_with_call() : respond_with_list()) return true;
  fprintf(stderr, "climit: %s\n", connection ? mysql_error(connection) : "no connection");
  disconnect();
  return false;
}

// False where the answer was cut short.
static bool answer(void) {
  started = gone = false;
  const char *method = FCGX_GetParam("REQUEST_METHOD", request.envp);
  if (!parse_path(FCGX_GetParam("DOCUMENT_URI", request.envp))) {
    put_error("404 Not Found", "Not found");
  } else if (!method || strcmp(method, "GET") != 0) {
    put_error("405 Method Not Allowed", "Method not allowed");
  } else if (!parse_query_string(FCGX_GetParam("QUERY_STRING", request.envp))) {
    put_error("400 Bad Request", "Invalid query parameter");
  } else if (!respond() && (started || !respond())) {  // the connection may be from before a restart of the database
    if (started) return false;
    put_error("503 Service Unavailable", "Service unavailable");
  }
  send_answer(true);
  shrink(&headers);
  shrink(&contents);
  return !gone;
}

int main(void) {
  if (FCGX_Init() != 0 || FCGX_InitRequest(&request, 0, FCGI_FAIL_ACCEPT_ON_INTR) != 0) return 1;
  while (FCGX_Accept_r(&request) >= 0) {
    if (answer()) {
      FCGX_Finish_r(&request);
    } else {
      FCGX_Free(&request, 1);  // without the end of the request, so that nginx knows
    }
  }
  disconnect();
  return 0;
}
