#include <ctime>
#include <regex>
#include <string>

#include "fcgi/date_time.h"
#include "tests/fuzz/fuzz.h"

/// A date and time, against a pattern and the C library's calendar.
namespace webhook_calls {
namespace {

std::optional<Instant> reference(const std::string& text) {
  static const std::regex kPattern{
      "([0-9]{4})-([0-9]{2})-([0-9]{2})"
      "(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\\.([0-9]{1,9}))?)?(?:Z|([-+ ])([0-9]{2}):?([0-9]{2}))?)?"};
  std::smatch match;
  if (text.size() > 40 || !std::regex_match(text, match, kPattern)) return std::nullopt;
  const auto number = [&](std::size_t group) { return match[group].matched ? std::stoi(match[group]) : 0; };
  std::tm time{};
  time.tm_year = number(1) - 1900;
  time.tm_mon = number(2) - 1;
  time.tm_mday = number(3);
  const std::time_t day = ::timegm(&time);  // makes 3 March of 31 February
  if (time.tm_mon != number(2) - 1 || time.tm_mday != number(3) || number(1) == 0) return std::nullopt;
  if (number(4) > 23 || number(5) > 59 || number(6) > 59 || number(9) > 23 || number(10) > 59) return std::nullopt;
  const int offset = (match[8] == "-" ? -1 : 1) * (number(9) * 60 + number(10));
  const std::int64_t seconds = day + number(4) * 3600 + (number(5) - offset) * 60 + number(6);
  const std::string nanoseconds = (match[7].str() + "000000000").substr(0, 9);
  return Instant{seconds * 1000 + std::stoi(nanoseconds.substr(0, 3)), nanoseconds.substr(3) != "000000"};
}

}  // namespace

void run(std::string_view input) { require(parse_date_time(input) == reference(std::string{input}), "the reference"); }

}  // namespace webhook_calls
