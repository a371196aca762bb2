#include "fcgi/call_params.h"
#include "fcgi/cursor.h"
#include "fcgi/date_time.h"
#include "sql/call_order.h"
#include "tests/fuzz/fuzz.h"

/// A sort, then a line for each value of a cursor: `0` for null, `1…` for a number, anything else for a text. And then
/// a line with what somebody puts in the place of the cursor's last characters.
namespace webhook_calls {
namespace {

std::vector<SortKey> sort_of(std::string_view names) {
  try {
    return decode_call_params({{{"sort", std::string{names}}}, {}}, {7}).query.sort;
  } catch (const ApiError&) {
    return {};
  }
}

std::optional<BindValue> value_of(std::string_view line) {
  if (line == "0") return std::nullopt;
  if (!line.starts_with('1')) return std::string{line};
  std::uint64_t number = 0;
  for (const char byte : line) number = number << 8U | static_cast<unsigned char>(byte);
  return number;
}

/// Whether the field can have the value, as cursors have it.
bool fits(const std::optional<BindValue>& value, const CallFieldRow& field) {
  if (!value) return field.nullable;
  const auto* text = std::get_if<std::string>(&*value);
  if (field.type == ValueType::instant && text != nullptr) return parse_date_time(*text).has_value();
  return (text != nullptr) == (field.type == ValueType::text);
}

}  // namespace

void run(std::string_view input) {
  const std::vector<SortKey> sort = sort_of(take_until(input, '\n')), order = total_order(sort);
  SortValues values;
  bool fit = true;
  for (std::size_t i = 0; i < order.size(); ++i) {
    values.push_back(value_of(take_until(input, '\n')));
    fit = fit && fits(values.back(), row_of(order[i].field));
  }
  const std::string cursor = make_cursor(values, sort);
  require(
      cursor.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos,
      "a cursor can stand in an address");
  const auto parsed = parse_cursor(cursor, sort);
  require(parsed.has_value() == fit, "a cursor is taken where its values are those of the sort");
  for (std::size_t i = 0; parsed && i < order.size(); ++i) {
    require(row_of(order[i].field).type == ValueType::instant || (*parsed)[i] == values[i], "and they come back");
  }
  std::vector<SortKey> other = sort;
  if (other.empty()) other.push_back({CallField::id});
  other.front().descending = !other.front().descending;
  require(total_order(other) == order || !parse_cursor(cursor, other), "no cursor of another sort is taken");

  const std::string_view end = input.substr(0, cursor.size());
  const std::string damaged = cursor.substr(0, cursor.size() - end.size()) + std::string{end};
  require(damaged == cursor || !parse_cursor(damaged, sort), "no damaged cursor is taken");
}

}  // namespace webhook_calls
