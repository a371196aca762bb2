#include "sql/instant.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

namespace webhook_calls {

std::string to_sql_datetime(std::int64_t unix_ms) {
  using namespace std::chrono;
  constexpr auto kFirst = sys_days{year{1000} / January / 1};
  constexpr auto kEnd = sys_days{year{10000} / January / 1};
  const auto time = std::clamp<sys_time<milliseconds>>(sys_time<milliseconds>{milliseconds{unix_ms}}, kFirst,
                                                       sys_time<milliseconds>{kEnd} - milliseconds{1});
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  std::array<char, 32> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02u %02d:%02d:%02d.%03d", int{date.year()}, unsigned{date.month()},
      unsigned{date.day()}, static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string rfc3339_from_sql(std::string_view datetime) {
  constexpr std::size_t kSeconds = 19;   // YYYY-MM-DD HH:MM:SS
  constexpr std::size_t kFraction = 23;  // and .mmm
  std::string text{datetime.substr(0, kFraction)};
  if (text.size() == kSeconds) text += ".000";
  if (text.size() == kFraction) text[10] = 'T';
  return text += 'Z';
}

std::string sql_from_rfc3339(std::string_view date_time) {
  std::string text{date_time.substr(0, date_time.size() - 1)};
  text[10] = ' ';
  return text;
}

}  // namespace webhook_calls
