#include "fcgi/csv.h"

#include <boost/test/unit_test.hpp>

#include "tests/unit/asked.h"
#include "tests/unit/recording.h"
#include "tests/unit/reference_utf8.h"

namespace webhook_calls {
namespace {

const CallRow kAnswered{.id = 1842,
                        .http_code = 200,
                        .headers = "Content-Type: text/plain\r\nX-Request-Id: 7f3a",
                        .body = "{\"ok\":true}",
                        .created_at = "2026-11-01T10:00:00.123Z"};
const CallRow kUnanswered{.id = 18446744073709551615U, .created_at = "2026-11-01T10:00:01.000Z"};
const CallRow kEmpty{.id = 3, .http_code = 204, .headers = "", .body = "", .created_at = "2026-11-01T10:00:02.000Z"};

std::string table(std::string_view query, std::vector<CallRow> records, std::size_t piece_bytes = std::string::npos) {
  const Asked asked{query};
  Recording output;
  Response response{output, false};
  ListedRows rows{std::move(records), false, piece_bytes};
  BOOST_TEST(write_call_table(response, asked.request(), rows) == rows.taken);
  response.finish();
  return output.text.substr(output.text.find("\r\n\r\n") + 4);
}

/// The inside of a cell, as a whole.
std::string inside(std::string_view text) {
  std::string out;
  while (!text.empty()) text.remove_prefix(append_csv_text(out, text));
  return out;
}

std::string body_cell(const std::string& body) {
  const std::string text = table("fields[notification/webhook/calls]=body", {{.id = 1, .body = body}});
  return text.substr(std::string_view{"id,body\r\n1,"}.size());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(csv_test)

BOOST_AUTO_TEST_CASE(records) {
  const std::string header = "id,webhook_id,http_code,headers,body,created_at\r\n";
  BOOST_TEST(table("", {}) == header);
  BOOST_TEST(table("", {kAnswered, kUnanswered, kEmpty}) ==
             header +
                 "1842,7,200,\"Content-Type: text/plain\r\nX-Request-Id: 7f3a\",\"{\"\"ok\"\":true}\","
                 "2026-11-01T10:00:00.123Z\r\n"
                 "18446744073709551615,7,,,,2026-11-01T10:00:01.000Z\r\n"
                 "3,7,204,\"\",\"\",2026-11-01T10:00:02.000Z\r\n");
}

BOOST_AUTO_TEST_CASE(columns) {
  const struct {
    std::string fields, expected;
  } rows[] = {
      {"created_at,http_code", "id,http_code,created_at\r\n3,204,2026-11-01T10:00:02.000Z\r\n"},
      {"body,webhook", "id,webhook_id,body\r\n3,7,\"\"\r\n"},
      {"webhook", "id,webhook_id\r\n3,7\r\n"},
      {"webhook_id,id,typo", "id\r\n3\r\n"},
      {"", "id\r\n3\r\n"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.fields) {
      BOOST_TEST(table("fields[notification/webhook/calls]=" + row.fields, {kEmpty}) == row.expected);
    }
  }
}

BOOST_AUTO_TEST_CASE(texts) {
  using namespace std::string_literals;
  const struct {
    std::string text, expected;
  } rows[] = {
      {"a,b;c", "a,b;c"},
      {"\"", "\"\""},
      {"\"\"x\"", "\"\"\"\"x\"\""},
      {"a\r\nb\nc\rd", "a\r\nb\nc\rd"},
      {"\x01\x1B\x7F", "\x01\x1B\x7F"},
      {"a\0b"s,
       "a\xEF\xBF\xBD"
       "b"},
      {"\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80", "\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80"},
      {"\xFF\"\xE2\x82\"", "\xEF\xBF\xBD\"\"\xEF\xBF\xBD\"\""},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.text) { BOOST_TEST(inside(row.text) == row.expected); }
  }
  std::string bytes;
  for (unsigned byte = 1; byte < 0x100; ++byte) bytes += static_cast<char>(byte);
  bytes.erase(bytes.find('"'), 1);
  const std::string large = std::string((64U << 10U) - 2, 'x') + "\xE2\x82\xAC\xE2\x82" + bytes;
  BOOST_TEST((inside(large) == reference_utf8(large)));
}

BOOST_AUTO_TEST_CASE(formulas) {
  for (const char first : {'=', '+', '-', '@', '\t', '\r', '\n', '\''}) {
    const std::string text = std::string{first} + "1";
    BOOST_TEST(body_cell(text) == "\"'" + text + "\"\r\n");
  }
  for (const char* text : {"1=", " =1", "a", "\"=1", "(1)", "\xEF\xBC\x9D"}) BOOST_TEST(!needs_mark(text));
  BOOST_TEST(!needs_mark(""));
}

// However a text is cut, inside characters and inside invalid parts: the cell is that of the whole text.
BOOST_AUTO_TEST_CASE(texts_in_pieces) {
  const std::string text =
      "=a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80 \xF0\x9F\x98\xF0\x9F\xE2\x82\xC3\xF0\x9F\x98\x80\x80\x80\"\"\r\n\xE2\x82";
  for (const std::string& tail : {std::string{}, std::string{"\xAC"}, std::string{"\xF0\x9F\x98"}, std::string{"z"}}) {
    CallRow row = kAnswered;
    row.headers = text + tail;
    row.body = tail + text;
    const std::string whole = table("", {row, kUnanswered, row});
    for (std::size_t piece_bytes = 1; piece_bytes <= text.size() + 4; ++piece_bytes) {
      BOOST_TEST_CONTEXT("pieces of " << piece_bytes) {
        BOOST_TEST(table("", {row, kUnanswered, row}, piece_bytes) == whole);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(large_tables_flow) {
  const Asked asked{""};
  std::vector<CallRow> records(40, {.id = 1, .headers = "", .body = std::string(100000, 'x')});
  records.push_back({.id = 2, .headers = "", .body = std::string(3'000'000, 'y')});
  Recording output;
  Response response{output, false};
  ListedRows rows{records, false, 1'000'000};
  BOOST_TEST(write_call_table(response, asked.request(), rows) == 41U);
  response.finish();
  for (const std::size_t size : output.sizes) BOOST_TEST(size < 2 * Response::kHeldBytes);
  // few columns, many records
  output.sizes.clear();
  Recording second;
  Response narrow{second, false};
  const Asked codes{"fields[notification/webhook/calls]=http_code"};
  ListedRows many{std::vector<CallRow>(200'000, kEmpty)};
  BOOST_TEST(write_call_table(narrow, codes.request(), many) == 200'000U);
  BOOST_TEST(second.sizes.size() > 1U);
  BOOST_TEST(second.text.back() != '\n');  // one that failed here would not look complete
}

BOOST_AUTO_TEST_CASE(nothing_is_pulled_for_nobody) {
  const Asked asked{""};
  Recording output{0};
  Response response{output, false};
  ListedRows rows{std::vector<CallRow>(50, {.id = 1, .body = std::string(50000, 'x')})};
  write_call_table(response, asked.request(), rows);
  BOOST_TEST(rows.taken < 25U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
