#include "fcgi/request_log.h"

#include "fcgi/json_writer.h"
#include "sql/instant.h"

namespace webhook_calls {
namespace {

void write_optional(JsonWriter& json, std::string_view name, std::optional<std::uint64_t> value) {
  json.name(name);
  if (value) {
    json.number(*value);
  } else {
    json.null();
  }
}

void write_milliseconds(JsonWriter& json, std::string_view name, std::chrono::nanoseconds time) {
  const auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  const std::string decimals = std::to_string(1000 + microseconds % 1000);  // with a 1 before them
  json.name(name);
  json.raw(std::to_string(microseconds / 1000) + "." + decimals.substr(1));
}

void begin_line(JsonWriter& json, std::string_view event, std::chrono::system_clock::time_point now) {
  const auto unix_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  json.begin_object();
  json.member("time", rfc3339_from_sql(to_sql_datetime(unix_ms)));
  json.member("event", event);
}

}  // namespace

std::string format_log_line(const RequestRecord& record, std::chrono::system_clock::time_point now) {
  std::string line;
  line.reserve(512);
  JsonWriter json{line};
  begin_line(json, "request", now);
  json.member("request_id", record.request_id);
  json.member("method", record.method);
  write_optional(json, "account", record.account_id);
  write_optional(json, "webhook", record.webhook_id);
  json.member("route", record.route);
  json.member("status", static_cast<std::uint64_t>(record.status));
  json.member("rows", record.rows);
  json.member("bytes", record.bytes);
  write_milliseconds(json, "database_ms", record.database_time);
  write_milliseconds(json, "total_ms", record.total_time);
  json.member("outcome", record.outcome);
  if (record.retried) json.member("retried", 1);
  if (!record.error.empty()) json.member("error", record.error);
  json.end_object();
  return line += '\n';
}

std::string format_log_line(const NewHost& host, std::chrono::system_clock::time_point now) {
  std::string line;
  JsonWriter json{line};
  begin_line(json, "database_host", now);
  json.member("host", host.host);
  if (!host.reasons.empty()) json.member("error", host.reasons);
  json.end_object();
  return line += '\n';
}

}  // namespace webhook_calls
