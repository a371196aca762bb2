#include "fcgi/date_time.h"

#include <algorithm>
#include <chrono>

#include "fcgi/numbers.h"

namespace webhook_calls {
namespace {

/// Takes pieces off the front of a text; once one is missing, the scanner has failed.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  /// Exactly `digits` digits, with a value from `first` to `last`.
  int number(std::size_t digits, int first, int last) {
    const std::string_view piece = text_.substr(0, digits);
    const auto value = parse_number(piece);
    if (piece.size() != digits || !value || static_cast<int>(*value) < first || static_cast<int>(*value) > last) {
      return fail();
    }
    text_.remove_prefix(digits);
    return static_cast<int>(*value);
  }

  /// One of `characters`, or NUL where another or none follows.
  char optional_one_of(std::string_view characters) {
    if (text_.empty() || characters.find(text_.front()) == std::string_view::npos) return '\0';
    const char c = text_.front();
    text_.remove_prefix(1);
    return c;
  }

  void one_of(std::string_view characters) {
    if (optional_one_of(characters) == '\0') fail();
  }

  std::string_view digits() {
    const auto end = std::min(text_.find_first_not_of("0123456789"), text_.size());
    const std::string_view piece = text_.substr(0, end);
    text_.remove_prefix(end);
    return piece;
  }

  int fail() {
    failed_ = true;
    return 0;
  }

  [[nodiscard]] bool at_end() const { return text_.empty(); }
  [[nodiscard]] bool succeeded() const { return !failed_ && text_.empty(); }

 private:
  std::string_view text_;
  bool failed_ = false;
};

/// The digits behind the decimal point, as milliseconds and whether more follows.
Instant read_fraction(Scanner& scanner) {
  constexpr std::size_t kMaxDigits = 9;
  constexpr std::size_t kMillisecondDigits = 3;
  const std::string_view digits = scanner.digits();
  if (digits.empty() || digits.size() > kMaxDigits) scanner.fail();
  Instant fraction;
  for (std::size_t i = 0; i < kMillisecondDigits; ++i) {
    fraction.unix_ms = fraction.unix_ms * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  }
  fraction.finer = digits.find_first_not_of('0', kMillisecondDigits) != std::string_view::npos;
  return fraction;
}

std::chrono::minutes read_offset(Scanner& scanner) {
  const char sign = scanner.optional_one_of("Z+- ");
  if (sign == '\0' || sign == 'Z') return {};
  const std::chrono::hours hours{scanner.number(2, 0, 23)};
  scanner.optional_one_of(":");
  const std::chrono::minutes offset = hours + std::chrono::minutes{scanner.number(2, 0, 59)};
  return sign == '-' ? -offset : offset;
}

}  // namespace

std::optional<Instant> parse_date_time(std::string_view text) {
  using namespace std::chrono;
  Scanner scanner{text};
  const year y{scanner.number(4, 1, 9999)};
  scanner.one_of("-");
  const month m{static_cast<unsigned>(scanner.number(2, 1, 12))};
  scanner.one_of("-");
  const day d{static_cast<unsigned>(scanner.number(2, 1, 31))};
  sys_time<milliseconds> time{};
  Instant fraction;
  if (!scanner.at_end()) {
    scanner.one_of("T ");
    time += hours{scanner.number(2, 0, 23)};
    scanner.one_of(":");
    time += minutes{scanner.number(2, 0, 59)};
    if (scanner.optional_one_of(":") != '\0') {
      time += seconds{scanner.number(2, 0, 59)};
      if (scanner.optional_one_of(".") != '\0') fraction = read_fraction(scanner);
    }
    time -= read_offset(scanner);
  }
  const year_month_day date{y, m, d};
  if (!scanner.succeeded() || !date.ok()) return std::nullopt;
  time += sys_days{date}.time_since_epoch();
  return Instant{time.time_since_epoch().count() + fraction.unix_ms, fraction.finer};
}

}  // namespace webhook_calls
