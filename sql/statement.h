#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace webhook_calls {

/// SQL text that was written in the program: only a string literal converts to it, at compile time. Text that arrived
/// with a request cannot become one, so it can reach the database as a bound value only.
class Sql {
 public:
  template <std::size_t N>
  // NOLINTNEXTLINE: a literal is a C array, and is meant to convert
  consteval Sql(const char (&literal)[N]) : text_(&literal[0], N - 1) {
    for (const char c : text_) {
      if (c == '?') throw "a mark comes from Statement::bind() alone";  // not a constant expression: does not compile
    }
  }

  [[nodiscard]] constexpr std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

using BindValue = std::variant<std::uint64_t, std::string>;

/// A prepared statement's text and its bound values. Each `?` is written together with its value, so the two agree.
class Statement {
 public:
  explicit Statement(Sql sql) : text_(sql.text()) {}

  Statement& add(Sql sql) {
    text_ += sql.text();
    return *this;
  }

  /// A part of a statement, with its binds.
  Statement& add(const Statement& part);

  Statement& bind(BindValue value);

  /// `(?,?,…)`. The number of marks is the next power of two: the last value repeats, which IN does not notice, and so
  /// few different texts are prepared however long the lists are. `values` must not be empty. `before` and `after`
  /// stand around each mark.
  Statement& bind_list(std::span<const BindValue> values, Sql before = "", Sql after = "");

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::vector<BindValue>& binds() const { return binds_; }

 private:
  std::string text_;
  std::vector<BindValue> binds_;
};

}  // namespace webhook_calls
