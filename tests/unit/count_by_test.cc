#include "fcgi/count_by.h"

#include <boost/test/unit_test.hpp>
#include <string>

using namespace webhook_calls;

namespace {

/// `3600 s, 100 codes`, `1 codes, 60 s`; `nothing` for what is refused.
std::string shown_count_by(std::string_view text) {
  const auto by = parse_count_by(text);
  if (!by) return "nothing";
  const std::string seconds = by->seconds == 0 ? "" : std::to_string(by->seconds) + " s";
  const std::string codes = by->codes == 0 ? "" : std::to_string(by->codes) + " codes";
  const std::string comma = seconds.empty() || codes.empty() ? "" : ", ";
  return by->code_first ? codes + comma + seconds : seconds + comma + codes;
}

struct Row {
  std::string_view text, expected;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(count_by_test)

BOOST_AUTO_TEST_CASE(keys) {
  for (const Row& row : {
           Row{"created_at.minute", "60 s"},
           Row{"created_at.hour", "3600 s"},
           Row{"created_at.day", "86400 s"},
           Row{"http_code", "1 codes"},
           Row{"http_code.class", "100 codes"},
           Row{"created_at.day,http_code", "86400 s, 1 codes"},
           Row{"created_at.minute,http_code.class", "60 s, 100 codes"},
           Row{"http_code,created_at.hour", "1 codes, 3600 s"},
           Row{"http_code.class,created_at.minute", "100 codes, 60 s"},
           Row{"", "nothing"},
           Row{",", "nothing"},
           Row{"http_code,", "nothing"},
           Row{",http_code", "nothing"},
           Row{"created_at", "nothing"},
           Row{"created_at.second", "nothing"},
           Row{"created_at.days", "nothing"},
           Row{"Created_at.day", "nothing"},
           Row{"created_at.day ", "nothing"},
           Row{"created_at.day, http_code", "nothing"},
           Row{"-http_code", "nothing"},
           Row{"http_code.", "nothing"},
           Row{"http_code.Class", "nothing"},
           Row{"id", "nothing"},
           Row{"http_code,http_code", "nothing"},
           Row{"http_code,http_code.class", "nothing"},
           Row{"created_at.day,created_at.hour", "nothing"},
           Row{"created_at.day,created_at.day", "nothing"},
           Row{"created_at.day,http_code,http_code.class", "nothing"},
           Row{"created_at.day,http_code,created_at.hour", "nothing"},
       }) {
    BOOST_TEST_CONTEXT(row.text) { BOOST_TEST(shown_count_by(row.text) == row.expected); }
  }
}

BOOST_AUTO_TEST_SUITE_END()
