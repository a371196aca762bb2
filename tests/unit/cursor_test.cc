#include "fcgi/cursor.h"

#include <boost/test/unit_test.hpp>

#include "sql/call_order.h"
#include "tests/unit/shown.h"

namespace webhook_calls {

namespace {

const std::vector<SortKey> kById{};
const std::vector<SortKey> kNewest{{CallField::created_at, true}};
const std::vector<SortKey> kByCode{{CallField::http_code}, {CallField::webhook_id}};
const std::vector<SortKey> kByTexts{{CallField::headers}, {CallField::body, true}, {CallField::id}};

const CallRow kRow{
    .id = 1842, .http_code = 200, .headers = "A: \xFF?", .body = "", .created_at = "2026-11-01T10:00:00.123Z"};
const CallRow kNothing{.id = 7, .created_at = "2026-11-01T10:00:00.123Z"};

std::string shown_values(const std::optional<SortValues>& values) {
  if (!values) return "refused";
  std::string text;
  for (const auto& value : *values) {
    if (!text.empty()) text += ' ';
    const auto* number = value ? std::get_if<std::uint64_t>(&*value) : nullptr;
    text += !value              ? "null"
            : number != nullptr ? std::to_string(*number)
                                : "'" + shown(std::get<std::string>(*value)) + "'";
  }
  return text;
}

std::string cursor_of(const CallRow& row, const std::vector<SortKey>& sort) {
  return make_cursor(sort_values_of(row, sort), sort);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cursor_test)

BOOST_AUTO_TEST_CASE(there_and_back) {
  const struct {
    CallRow row;
    std::vector<SortKey> sort;
    std::string values;
    std::size_t length;
  } rows[] = {
      {kRow, kById, "1842", 23},
      {kRow, kNewest, "'2026-11-01 10:00:00.123' 1842", 35},
      {kRow, kByCode, "200 1842", 35},
      {kNothing, kByCode, "null 7", 24},
      {kRow, kByTexts, "'A: \\xFF?' '' 1842", 38},
      {kNothing, kByTexts, "null null 7", 26},
      {{.id = 18446744073709551615U}, kById, "18446744073709551615", 23},
      {{.id = 0}, kById, "0", 23},
      {{.id = 1, .headers = std::string(3000, 'h'), .body = "b"},
       kByTexts,
       "'" + std::string(1024, 'h') + "' 'b' 1",
       1398},
  };
  for (const auto& row : rows) {
    const std::string cursor = cursor_of(row.row, row.sort);
    BOOST_TEST_CONTEXT(cursor) {
      BOOST_TEST(shown_values(parse_cursor(cursor, row.sort)) == row.values);
      BOOST_TEST(cursor.size() == row.length);
      BOOST_TEST(cursor.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
                 std::string::npos);
    }
  }
}

// A cursor that was handed out is good for ever.
BOOST_AUTO_TEST_CASE(known_cursors) {
  BOOST_TEST(cursor_of(kRow, kById) == "OWZkZTZkNTQIAAAAAAAABzI");
  BOOST_TEST(cursor_of(kRow, kNewest) == "NjA3MjdmYzgIAAABoZaNOXsIAAAAAAAABzI");
}

BOOST_AUTO_TEST_CASE(every_damage_is_seen) {
  for (const auto& sort : {kById, kNewest, kByTexts}) {
    const std::string cursor = cursor_of(kRow, sort);
    for (std::size_t i = 0; i < cursor.size(); ++i) {
      for (const char c : {'A', 'B', '_', '=', '+', '/', ' ', '\n', '\0', '\xFF'}) {
        std::string damaged = cursor;
        damaged[i] = c;
        if (c != cursor[i]) BOOST_TEST(!parse_cursor(damaged, sort), shown(damaged));
      }
      BOOST_TEST(!parse_cursor(cursor.substr(0, i), sort));
      BOOST_TEST(!parse_cursor(cursor.substr(i + 1), sort));
    }
    for (const char* more : {"A", "AA", "AAAA", "=", "==", " ", "\n"}) BOOST_TEST(!parse_cursor(cursor + more, sort));
  }
  for (const char* text : {"", "=", "====", "A", "AAAA", "\xFF", "a b", "page"})
    BOOST_TEST(!parse_cursor(text, kById), text);
}

BOOST_AUTO_TEST_CASE(of_another_sort) {
  const std::vector<SortKey> sorts[] = {kById,
                                        kNewest,
                                        kByCode,
                                        kByTexts,
                                        {{CallField::id, true}},
                                        {{CallField::created_at}},
                                        {{CallField::created_at, true}, {CallField::id}}};
  for (const auto& made : sorts) {
    for (const auto& used : sorts)
      BOOST_TEST(parse_cursor(cursor_of(kRow, made), used).has_value() == (&made == &used));
  }
  // the same sort in other words
  BOOST_TEST(parse_cursor(cursor_of(kRow, kById), {{CallField::id}}).has_value());
  BOOST_TEST(
      parse_cursor(cursor_of(kRow, kNewest), {{CallField::created_at, true}, {CallField::id, true}}).has_value());
}

// What a client makes up with the right digest is a value of its field, or refused.
BOOST_AUTO_TEST_CASE(values_of_another_kind) {
  const BindValue number{std::uint64_t{1}}, text{std::string{"1"}}, late{std::uint64_t{1} << 63U};
  const struct {
    SortValues values;
    std::vector<SortKey> sort;
    std::string expected;
  } rows[] = {
      {{number}, kById, "1"},
      {{text}, kById, "refused"},
      {{std::nullopt}, kById, "refused"},
      {{}, kById, "refused"},
      {{number, number}, kNewest, "'1970-01-01 00:00:00.001' 1"},
      {{late, number}, kNewest, "'1000-01-01 00:00:00.000' 1"},
      {{text, number}, kNewest, "refused"},
      {{std::nullopt, number}, kNewest, "refused"},
      {{text, number}, kByCode, "refused"},
      {{number, text, number}, kByTexts, "refused"},
  };
  for (const auto& row : rows) {
    BOOST_TEST(shown_values(parse_cursor(make_cursor(row.values, row.sort), row.sort)) == row.expected);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
