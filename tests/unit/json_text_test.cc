#include "fcgi/json_text.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <boost/test/unit_test.hpp>

#include "fcgi/utf8.h"
#include "tests/unit/reference_utf8.h"
#include "tests/unit/shown.h"

namespace webhook_calls {
namespace {

constexpr std::size_t kSlice = 64U << 10U;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// All slices of a text, as the inside of a JSON string; each is whole characters.
std::string all_slices(std::string_view text) {
  std::string json;
  while (!text.empty()) {
    std::string slice;
    const std::size_t taken = append_json_text(slice, text);
    BOOST_TEST_REQUIRE(taken >= 1U);
    BOOST_TEST_REQUIRE(taken <= text.size());
    BOOST_TEST(taken <= kSlice + 31 + 3);
    BOOST_TEST(is_utf8(slice));
    json += slice;
    text.remove_prefix(taken);
  }
  return json;
}

std::string parsed_back(const std::string& inside) {
  rapidjson::Document document;
  const std::string json = '"' + inside + '"';
  document.Parse<rapidjson::kParseValidateEncodingFlag>(json.data(), json.size());
  if (document.HasParseError() || !document.IsString()) return "<not JSON> " + inside;
  return {document.GetString(), document.GetStringLength()};
}

/// RapidJSON's own escapes, for a text that is UTF-8.
std::string written_by_rapidjson(const std::string& text) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer{buffer};
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  return {buffer.GetString() + 1, buffer.GetSize() - 2};
}

void check(std::string_view text) {
  const std::string json = all_slices(text);
  const std::string expected = reference_utf8(text);
  if (parsed_back(json) == expected && json == written_by_rapidjson(expected)) return;
  BOOST_ERROR(shown(text.size() < 100 ? text : text.substr(kSlice - 8)) << " became " << shown(json.substr(0, 100)));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(json_text_test)

BOOST_AUTO_TEST_CASE(escapes) {
  const struct {
    std::string_view text, json;
  } rows[] = {
      {"", ""},
      {"plain/text <&>'", "plain/text <&>'"},
      {"\"\\", "\\\"\\\\"},
      {"\b\f\n\r\t", "\\b\\f\\n\\r\\t"},
      {std::string_view{"\0\x01\x1F\x7F", 4}, "\\u0000\\u0001\\u001F\x7F"},
      {"\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80\xE2\x80\xA8", "\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80\xE2\x80\xA8"},
      {"{\"ok\":true}\r\n", "{\\\"ok\\\":true}\\r\\n"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(shown(row.text)) {
      std::string json = "before ";
      BOOST_TEST(append_json_text(json, row.text) == row.text.size());
      BOOST_TEST(json == "before " + std::string{row.json});
    }
  }
}

// R stands for U+FFFD.
BOOST_AUTO_TEST_CASE(replacements) {
  const struct {
    std::string_view text, expected;
  } rows[] = {
      // Unicode 15, 3.9, tables 3-8 to 3-11
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "RRRRRRRRA"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "RRRRRRRRA"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "RRRRRARRB"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", "RRRRA"},
      // the example in 3.9 before Unicode 6, still the common one
      {"\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64", "aRRRbRcRRd"},
      // at the end, where more could have followed
      {"a\xC2", "aR"},
      {"a\xE2\x82", "aR"},
      {"a\xF0\x9F\x98", "aR"},
      {"a\xF0\x9F\x98\xF0\x9F\x98\x80", "aR\xF0\x9F\x98\x80"},
      {"\xC2\"", "R\\\""},
      {"\xE2\x82\n", "R\\n"},
      // what looks like another encoding
      {"\xFF\xFE\x41", "RRA"},
      {"caf\xE9 cr\xE8me", "cafR crRme"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(shown(row.text)) {
      std::string expected;
      for (const char c : row.expected) {
        if (c == 'R') {
          expected += kReplacement;
        } else {
          expected += c;
        }
      }
      BOOST_TEST(shown(all_slices(row.text)) == shown(expected));
      check(row.text);
    }
  }
}

// Texts are looked at 32 bytes at a time, by words of 8.
BOOST_AUTO_TEST_CASE(at_every_place_of_a_long_text) {
  for (std::size_t place = 0; place < 100; ++place) {
    for (const std::string_view piece : {std::string_view{"\0", 1}, std::string_view{"\x1F"}, std::string_view{"\""},
                                         std::string_view{"\\"}, std::string_view{"\x7F"}, std::string_view{"\xC3\xBC"},
                                         std::string_view{"\xF0\x9F\x98\x80"}, std::string_view{"\xE2\x82"}}) {
      check(std::string(place, 'x').append(piece) + std::string(100 - place, ' '));
    }
  }
  check(std::string(5000, '\x01'));  // what takes most room
  check(std::string(5000, '\xFF'));
}

BOOST_AUTO_TEST_CASE(every_byte_and_every_pair) {
  for (unsigned byte = 0; byte < 0x100; ++byte) check(std::string(1, static_cast<char>(byte)) + "x");
  std::string all;
  for (unsigned pair = 0; pair < 0x10000; ++pair) {
    const std::string text{static_cast<char>(pair >> 8U), static_cast<char>(pair & 0xFFU)};
    check(text);
    all += text;
  }
  check(all);
}

// After each first pair of three or four bytes, all classes of third and fourth bytes.
BOOST_AUTO_TEST_CASE(longer_sequences) {
  constexpr std::string_view kClasses = "\x41\x7F\x80\x8F\x90\x9F\xA0\xBF\xC1\xC2\xE0\xED\xEF\xF0\xF4\xF5\xFF\"";
  for (unsigned lead = 0xE0; lead <= 0xF5; ++lead) {
    for (const char second : kClasses) {
      for (const char third : kClasses) {
        for (const char fourth : kClasses) check(std::string{static_cast<char>(lead), second, third, fourth});
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(slices_end_between_characters) {
  const std::string_view at_the_cut[] = {
      "\xC3\xBC",         "\xE2\x82\xAC",         "\xF0\x9F\x98\x80", "\xE2\x82",         "\xF0\x9F\x98",
      "\x80\x80\x80\x80", "\xF0\x9F\x98\xE2\x82", "\xED\xA0\x80",     "\xF4\x90\x80\x80", "\"\"\"\"",
      "\n\n\n\n",
  };
  for (const std::string_view piece : at_the_cut) {
    for (std::size_t before = kSlice - 5; before <= kSlice + 1; ++before) {
      const std::string text = std::string(before, 'x').append(piece);
      check(text);
      check(text + "tail");
      check(text + text + text);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_slice_is_some_64_kib) {
  const std::string text(10 * kSlice, 'x');
  std::string json;
  const std::size_t taken = append_json_text(json, text);
  BOOST_TEST(taken >= kSlice - 3);
  BOOST_TEST(taken <= kSlice + 31 + 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
