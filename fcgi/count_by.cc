#include "fcgi/count_by.h"

#include <algorithm>
#include <array>

#include "fcgi/text.h"

namespace webhook_calls {
namespace {

struct CountKeyRow {
  std::string_view name;
  CountBy by;
};

constexpr std::array kCountKeys{
    CountKeyRow{"created_at.minute", {.seconds = 60}},  CountKeyRow{"created_at.hour", {.seconds = 3600}},
    CountKeyRow{"created_at.day", {.seconds = 86'400}}, CountKeyRow{"http_code", {.codes = 1}},
    CountKeyRow{"http_code.class", {.codes = 100}},
};

}  // namespace

std::optional<CountBy> parse_count_by(std::string_view text) {
  CountBy by;
  for (const std::string_view name : split(text, ',')) {
    const auto* key = std::ranges::find(kCountKeys, name, &CountKeyRow::name);
    if (key == kCountKeys.end()) return std::nullopt;
    const bool again = (by.seconds != 0 && key->by.seconds != 0) || (by.codes != 0 && key->by.codes != 0);
    if (again) return std::nullopt;
    by.code_first = by.code_first || (key->by.codes != 0 && by.seconds == 0);
    by.seconds += key->by.seconds;
    by.codes += key->by.codes;
  }
  return by;
}

}  // namespace webhook_calls
