#pragma once

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

/// ASCII text as HTTP header fields and query strings are made of; independent of the locale.
namespace webhook_calls {

[[nodiscard]] constexpr char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

[[nodiscard]] constexpr bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, ascii_lower, ascii_lower);
}

/// The spellings of true and false that the API takes, in any case.
[[nodiscard]] constexpr std::optional<bool> parse_bool(std::string_view text) {
  const auto is_one_of = [&](const auto&... words) { return (equal_ignoring_case(text, words) || ...); };
  using namespace std::string_view_literals;
  if (is_one_of("true"sv, "t"sv, "yes"sv, "y"sv, "1"sv)) return true;
  if (is_one_of("false"sv, "f"sv, "no"sv, "n"sv, "0"sv)) return false;
  return std::nullopt;
}

/// Without spaces and tabs at both ends.
[[nodiscard]] constexpr std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  const auto begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

/// The parts between the separators: one at least, some maybe empty.
[[nodiscard]] inline std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (auto end = text.find(separator); end != std::string_view::npos; end = text.find(separator)) {
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  parts.push_back(text);
  return parts;
}

}  // namespace webhook_calls
