#include "sql/instant.h"

#include <boost/test/unit_test.hpp>
#include <limits>

namespace webhook_calls {

BOOST_AUTO_TEST_SUITE(instant_test)

BOOST_AUTO_TEST_CASE(to_sql) {
  constexpr std::int64_t kYear1000 = -30610224000000, kYear10000 = 253402300800000;
  const struct {
    std::int64_t unix_ms;
    std::string_view expected;
  } rows[] = {
      {0, "1970-01-01 00:00:00.000"},
      {1, "1970-01-01 00:00:00.001"},
      {-1, "1969-12-31 23:59:59.999"},
      {1793527200123, "2026-11-01 10:00:00.123"},
      {1709251199999, "2024-02-29 23:59:59.999"},
      {kYear1000, "1000-01-01 00:00:00.000"},
      {kYear1000 - 1, "1000-01-01 00:00:00.000"},
      {std::numeric_limits<std::int64_t>::min(), "1000-01-01 00:00:00.000"},
      {kYear10000 - 1, "9999-12-31 23:59:59.999"},
      {kYear10000, "9999-12-31 23:59:59.999"},
      {std::numeric_limits<std::int64_t>::max(), "9999-12-31 23:59:59.999"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.unix_ms) { BOOST_TEST(to_sql_datetime(row.unix_ms) == row.expected); }
  }
}

BOOST_AUTO_TEST_CASE(from_sql) {
  const struct {
    std::string_view datetime, expected;
  } rows[] = {
      {"2026-11-01 10:00:00.123000", "2026-11-01T10:00:00.123Z"},
      {"2026-11-01 10:00:00.000000", "2026-11-01T10:00:00.000Z"},
      {"2026-11-01 10:00:00", "2026-11-01T10:00:00.000Z"},
      {"2026-11-01 10:00:00.120", "2026-11-01T10:00:00.120Z"},
      {"1000-01-01 00:00:00", "1000-01-01T00:00:00.000Z"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.datetime) { BOOST_TEST(rfc3339_from_sql(row.datetime) == row.expected); }
  }
  BOOST_TEST(sql_from_rfc3339("2026-11-01T10:00:00.123Z") == "2026-11-01 10:00:00.123");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
