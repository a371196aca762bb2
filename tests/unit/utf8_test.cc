#include "fcgi/utf8.h"

#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/unit/reference_utf8.h"
#include "tests/unit/shown.h"

namespace webhook_calls {

BOOST_AUTO_TEST_SUITE(utf8_test)

BOOST_AUTO_TEST_CASE(first_unit) {
  const struct {
    std::string_view text;
    std::size_t length;
    bool valid;
  } rows[] = {
      {"a", 1, true},
      {std::string_view{"\0b", 2}, 1, true},
      {"\x7F", 1, true},
      {"\xC2\x80z", 2, true},
      {"\xDF\xBF", 2, true},
      {"\xE0\xA0\x80", 3, true},
      {"\xED\x9F\xBF", 3, true},
      {"\xEE\x80\x80", 3, true},
      {"\xEF\xBF\xBF", 3, true},
      {"\xF0\x90\x80\x80", 4, true},
      {"\xF4\x8F\xBF\xBF", 4, true},
      // a continuation byte, and bytes that never begin a character
      {"\x80", 1, false},
      {"\xBF\x80", 1, false},
      {"\xC0\x80", 1, false},
      {"\xC1\xBF", 1, false},
      {"\xF5\x80\x80\x80", 1, false},
      {"\xFF", 1, false},
      // cut short, by the end or by another character
      {"\xC2", 1, false},
      {"\xC2\x41", 1, false},
      {"\xE1\x80", 2, false},
      {"\xE1\x80\x41", 2, false},
      {"\xE1\x41", 1, false},
      {"\xF1\x80\x80", 3, false},
      {"\xF1\x80\x80\xE1", 3, false},
      {"\xF1\x80\x41", 2, false},
      // overlong forms, surrogates, beyond U+10FFFF: not even two bytes belong together
      {"\xE0\x80\x80", 1, false},
      {"\xE0\x9F\xBF", 1, false},
      {"\xED\xA0\x80", 1, false},
      {"\xED\xBF\xBF", 1, false},
      {"\xF0\x80\x80\x80", 1, false},
      {"\xF0\x8F\xBF\xBF", 1, false},
      {"\xF4\x90\x80\x80", 1, false},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(shown(row.text)) {
      const Utf8Unit unit = read_utf8(row.text);
      BOOST_TEST(unit.length == row.length);
      BOOST_TEST(unit.valid == row.valid);
    }
  }
}

BOOST_AUTO_TEST_CASE(open_ends) {
  const struct {
    std::string_view text;
    std::size_t length;
  } rows[] = {
      {"", 0},
      {"a", 0},
      {"a\xC3", 1},
      {"a\xC3\xBC", 0},
      {"a\xE2", 1},
      {"\xE2\x82", 2},
      {"a\xE2\x82\xAC", 0},
      {"\xF0\x9F", 2},
      {"a\xF0\x9F\x98", 3},
      {"a\xF0\x9F\x98\x80", 0},
      {"\xF0\x9F\xF0\x9F", 2},
      {"\xE2\x82\xE2", 1},
      // nothing that follows makes these valid
      {"\xE2\x82\xAC\x80", 0},
      {"\x80\x80\x80\x80", 0},
      {"\xE0\x80", 0},
      {"\xED\xA0", 0},
      {"\xF4\x90\x80", 0},
      {"\xC0\x80", 0},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(shown(row.text)) { BOOST_TEST(open_end(row.text) == row.length); }
  }
}

BOOST_AUTO_TEST_CASE(whole_texts) {
  const struct {
    std::string_view text;
    bool valid;
  } rows[] = {
      {"", true},          {"abc", true},           {"gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80", true},
      {"ab\xC3", false},   {"\xC3\xBC\x80", false}, {"a\xED\xA0\x80", false},
      {"\xFE\xFF", false},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(shown(row.text)) { BOOST_TEST(is_utf8(row.text) == row.valid); }
  }
}

BOOST_AUTO_TEST_CASE(every_two_bytes_agree_with_the_reference) {
  for (unsigned pair = 0; pair < 0x10000; ++pair) {
    const std::string text{static_cast<char>(pair >> 8U), static_cast<char>(pair & 0xFFU)};
    if (is_utf8(text) == (reference_utf8(text) == text)) continue;
    BOOST_ERROR(shown(text));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
