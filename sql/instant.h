#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace webhook_calls {

/// A point in time as a client may write it, split at the precision that the database stores.
struct Instant {
  std::int64_t unix_ms = 0;  ///< whole milliseconds since 1970-01-01T00:00:00Z, rounded down
  bool finer = false;        ///< the instant lies inside that millisecond, after its beginning

  friend bool operator==(const Instant&, const Instant&) = default;
};

/// `YYYY-MM-DD HH:MM:SS.mmm` in UTC, for DATETIME(3). Instants outside the type's years 1000 to 9999 become its first
/// or last value: no record is stored there, so comparisons with records come out the same.
[[nodiscard]] std::string to_sql_datetime(std::int64_t unix_ms);

/// A DATETIME(3) as the driver prints it, with a fraction of six digits or none, in RFC 3339: always three decimals
/// and `Z`.
[[nodiscard]] std::string rfc3339_from_sql(std::string_view datetime);

/// The other way round, as the database compares it: only what rfc3339_from_sql() gave.
[[nodiscard]] std::string sql_from_rfc3339(std::string_view date_time);

}  // namespace webhook_calls
