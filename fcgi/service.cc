#include "fcgi/service.h"

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "fcgi/bearer.h"
#include "fcgi/csv.h"
#include "fcgi/entity_tag.h"
#include "fcgi/numbers.h"
#include "fcgi/sha256.h"
#include "sql/call_walk.h"
#include "sql/instant.h"

namespace webhook_calls {
namespace {

constexpr std::string_view kRetryAfterSeconds = "2";

ApiError internal_error() {
  return {kInternalError, Fault{"The answer could not be made. The log has the reason under this error's id."}};
}

ApiError api_error_of(const DatabaseError& error) {
  switch (error.kind()) {
    case DatabaseError::Kind::failed:
      return internal_error();
    case DatabaseError::Kind::timed_out:
      return {
          kServiceUnavailable,
          Fault{
              "The database took too long. Filters on created_at, http_code or id make it faster (a sort or filter by "
              "headers or body reads each record that they leave), and so do smaller pages."}};
    case DatabaseError::Kind::unreachable:
    case DatabaseError::Kind::lost:
      break;
  }
  return {kServiceUnavailable, Fault{"The database cannot be reached. Please try again in a few seconds."}};
}

ApiError too_many_counts() {
  static_assert(kMaxCounts == 10'000);
  return {kInvalidParameter, Fault{"count_by makes more than 10000 groups here: narrow created_at or http_code by "
                                   "filters, or count by longer times or by http_code.class.",
                                   "count_by"}};
}

bool is_read(std::string_view method) { return method == "GET" || method == "HEAD"; }

void check_method(std::string_view method) {
  if (is_read(method)) return;
  throw ApiError(kMethodNotAllowed, Fault{"This resource can only be read: the methods are GET and HEAD."});
}

void add_common_headers(Response& response, const Request& request, std::string_view content_type = kJsonApi) {
  response.add_header("Content-Type", content_type);
  response.add_header("Vary", "Accept");
  response.add_header("X-Request-Id", request.id);
  response.add_header("Cache-Control", "private, no-cache");
  response.add_header("X-Content-Type-Options", "nosniff");
}

/// webhook-7-calls-2026-11-27T103000Z.csv
std::string file_name_of(const Webhook& webhook, Format format) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string time = to_sql_datetime(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  time[10] = 'T';
  time.erase(time.find('.'));
  std::erase(time, ':');
  return "webhook-" + std::to_string(webhook.id) + "-calls-" + time + "Z." + std::string{row_of(format).extension};
}

void write_failure(const Request& request, const ApiError& error, Response& response) {
  const int status = error.kind().status;
  response.set_status(status);
  add_common_headers(response, request);
  if (status == kUnauthorized.status) response.add_header("WWW-Authenticate", "Bearer");
  if (status == kMethodNotAllowed.status) response.add_header("Allow", "GET, HEAD");
  if (status == kServiceUnavailable.status) response.add_header("Retry-After", kRetryAfterSeconds);
  JsonWriter json{response};
  write_errors(json, error, request.id);
}

}  // namespace

bool Service::answer(const Request& request, ResponseOutput& output) {
  const auto begin = std::chrono::steady_clock::now();
  RequestRecord record{.request_id = request.id,
                       .method = is_read(request.method) ? std::string_view{request.method} : "other"};
  Response response{output, request.method == "HEAD"};
  const auto failure = try_to_respond(request, response, record);
  const bool cut_short = failure && !response.reset();
  if (failure && !cut_short) write_failure(request, *failure, response);
  if (!cut_short) response.finish();
  record.status = response.status();
  record.bytes = response.bytes();
  record.outcome = cut_short ? "incomplete" : response.client_gone() ? "client_gone" : "complete";
  record.database_time = session_.take_elapsed();
  record.total_time = std::chrono::steady_clock::now() - begin;
  log(format_log_line(record, std::chrono::system_clock::now()));
  look_after_hosts();
  return !cut_short && !response.client_gone();
}

/// One write for the whole line, so that the workers' lines do not mix. A collector that hangs must not stop the
/// service: it costs a second once, and then the lines until it reads again.
void Service::log(const std::string& line) {
  constexpr int kMilliseconds = 1000;
  pollfd log{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  log_is_read_ = ::poll(&log, 1, log_is_read_ ? kMilliseconds : 0) != 0;
  if (log_is_read_) (void)!::write(STDERR_FILENO, line.data(), line.size());  // there is nowhere else to complain
}

void Service::look_after_hosts() {
  if (session_.return_to_better_host()) store_.forget_access();
  if (const auto host = session_.take_new_host()) {
    log(format_log_line(*host, std::chrono::system_clock::now()));
  }
}

std::optional<ApiError> Service::try_to_respond(const Request& request, Response& response, RequestRecord& record) {
  try {
    respond(request, response, record);
    return std::nullopt;
  } catch (const ApiError& error) {
    return error;
  } catch (const DatabaseError& error) {
    record.error = error.what();
    store_.reset();
    const bool waited =
        error.kind() == DatabaseError::Kind::timed_out || error.kind() == DatabaseError::Kind::unreachable;
    if (waited || record.retried || !response.reset()) return api_error_of(error);
  } catch (const std::exception& error) {
    record.error = error.what();
    store_.reset();
    return internal_error();
  }
  // The connection, or a statement prepared on it, may be from before a restart of the database: once more, on a new
  // one.
  record.retried = true;
  return try_to_respond(request, response, record);
}

void Service::respond(const Request& request, Response& response, RequestRecord& record) {
  const Route route = parse_route(request.path);
  record.route = route.call_id ? "show" : "list";
  record.webhook_id = route.webhook_id;
  check_method(request.method);
  check_content_type(request.content_type);
  const Format format = choose_format(request.accept, route.call_id     ? Exports::none
                                                      : request.exports ? Exports::offered
                                                                        : Exports::not_set_up);
  if (format != Format::json_api) record.route = "export";

  const auto access = store_.find_access(reader_of(request), route.webhook_id);
  if (!access) {
    throw ApiError(kUnauthorized, Fault{.detail = "The token is unknown or has expired.", .header = "Authorization"});
  }
  record.account_id = access->account_id;

  const QueryString query_string = parse_query_string(request.query_string);
  CallParams params = decode_call_params(query_string, route, format != Format::json_api);
  params.query.redaction = redaction_;
  if (!access->webhook) throw ApiError(kNotFound, Fault{"There is no such webhook."});

  add_common_headers(response, request, row_of(format).content_type);
  const CallRequest call_request{route, query_string.parameters, params, *access->webhook};
  if (route.call_id) {
    respond_with_call(call_request, request.if_none_match, response, record);
  } else if (format != Format::json_api) {
    respond_with_export(call_request, *access, format, response, record);
  } else {
    respond_with_list(call_request, *access, response, record);
  }
}

void Service::respond_with_list(const CallRequest& request, const Access& access, Response& response,
                                RequestRecord& record) {
  const CallPage page = store_.list_calls(request.params.query, access);
  if (page.totals.counts.size() > kMaxCounts) throw too_many_counts();
  JsonWriter json{response};
  record.rows = write_call_list(json, response, request, *page.rows, page.totals);
}

/// Nothing is read for a HEAD, and so nobody knows the length for it; both methods have the same header fields.
void Service::respond_with_export(const CallRequest& request, const Access& access, Format format, Response& response,
                                  RequestRecord& record) {
  response.add_header("Content-Disposition", "attachment; filename=\"" + file_name_of(request.webhook, format) + "\"");
  response.hide_length();
  if (response.is_for_head()) return;
  CallWalk rows{store_, request.params.query, access};
  record.rows =
      format == Format::csv ? write_call_table(response, request, rows) : write_call_lines(response, request, rows);
  record.retried = rows.was_interrupted();
}

void Service::respond_with_call(const CallRequest& request, std::string_view if_none_match, Response& response,
                                RequestRecord& record) {
  const auto rows = store_.find_call(request.params.query, *request.route.call_id);
  const CallRow* row = rows->next();
  if (row == nullptr) throw ApiError(kNotFound, Fault{"There is no such call, or it has expired."});
  record.rows = 1;
  const std::string tag = make_entity_tag(request);
  response.add_header("ETag", tag);
  if (matches_entity_tag(if_none_match, tag)) {
    response.set_status(304);
    return;
  }
  JsonWriter json{response};
  write_call(json, request, *row, *rows);
}

Reader Service::reader_of(const Request& request) const {
  switch (access_) {
    case AccessMode::token:
      return TokenHash{sha256_hex(parse_bearer(request.authorization))};
    case AccessMode::gateway:
      if (const auto account = parse_canonical_number(request.account_id)) return Account{*account};
      throw ApiError(kUnauthorized, Fault{"The web server has not authenticated this request."});
    case AccessMode::open:
      break;
  }
  return Anyone{};
}

}  // namespace webhook_calls
