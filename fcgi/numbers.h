#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace webhook_calls {

/// One or more ASCII digits and nothing else: `[0-9]+`, of any length.
[[nodiscard]] constexpr bool is_whole_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// The value of a whole number; empty where `text` is not one or exceeds 64 bits.
[[nodiscard]] inline std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  if (!is_whole_number(text)) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? std::optional{value} : std::nullopt;
}

/// The same without leading zeros (but `0` itself): each value has one spelling.
[[nodiscard]] inline std::optional<std::uint64_t> parse_canonical_number(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return parse_number(text);
}

}  // namespace webhook_calls
