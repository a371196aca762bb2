#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sql/statement.h"

/// Values as a failed test shows them.
namespace webhook_calls {

/// Printable ASCII as it is, other bytes as \xNN.
inline std::string shown(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  for (const char c : bytes) {
    if (c >= ' ' && c <= '~') {
      text += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text.append("\\x") += kDigits[byte / 16U];
      text += kDigits[byte % 16U];
    }
  }
  return text;
}

/// The rows of a table in one text: separated by `|`, or by a line's end; spaces count.
inline std::vector<std::string> rows_of(std::string_view table) {
  std::vector<std::string> rows(1);
  for (const char c : table) {
    if (c == '|' || c == '\n') {
      rows.emplace_back();
    } else {
      rows.back() += c;
    }
  }
  return rows;
}

/// A statement's bound values, one after the other, texts in quotes.
inline std::string shown_binds(const Statement& statement) {
  std::string text;
  for (const BindValue& value : statement.binds()) {
    if (!text.empty()) text += ' ';
    const auto* number = std::get_if<std::uint64_t>(&value);
    text += number != nullptr ? std::to_string(*number) : "'" + std::get<std::string>(value) + "'";
  }
  return text;
}

}  // namespace webhook_calls
