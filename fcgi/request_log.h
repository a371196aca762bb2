#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sql/database.h"

namespace webhook_calls {

/// What the log says of one request: never a token, a parameter's value, or recorded headers and bodies.
struct RequestRecord {
  std::string_view request_id{};
  std::string_view method{};  ///< GET, HEAD, other
  std::optional<std::uint64_t> account_id{};
  std::optional<std::uint64_t> webhook_id{};
  std::string_view route = "other";  ///< list, show, other
  int status = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  ///< of the body
  std::chrono::nanoseconds database_time{};
  std::chrono::nanoseconds total_time{};
  std::string_view outcome{};  ///< complete, incomplete (failed after the first byte), client_gone
  bool retried = false;        ///< the database connection broke and the statements ran again on a new one
  std::string error{};         ///< what a library or the database said
};

/// One line of JSON: `event` is `request`, times in milliseconds.
[[nodiscard]] std::string format_log_line(const RequestRecord& record, std::chrono::system_clock::time_point now);

/// The same with the `event` `database_host`.
[[nodiscard]] std::string format_log_line(const NewHost& host, std::chrono::system_clock::time_point now);

}  // namespace webhook_calls
