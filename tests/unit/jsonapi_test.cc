#include "fcgi/jsonapi.h"

#include <rapidjson/document.h>

#include <boost/test/unit_test.hpp>

#include "tests/unit/asked.h"
#include "tests/unit/recording.h"
#include "tests/unit/reference_utf8.h"

namespace webhook_calls {
namespace {

const CallRow kAnswered{.id = 1842,
                        .http_code = 200,
                        .headers = "Content-Type: application/json\r\nX-Request-Id: 7f3a",
                        .body = "{\"ok\":true}",
                        .created_at = "2026-11-01T10:00:00.123Z"};
const CallRow kUnanswered{.id = 18446744073709551615U, .created_at = "2026-11-01T10:00:01.000Z"};

const std::string kBegin = R"({"jsonapi":{"version":"1.1"},"data":)";
const std::string kIdentity = R"({"type":"notification/webhook/calls","id":"1842")";
const std::string kAttributes = R"(,"attributes":{"http_code":200,)"
                                R"("headers":"Content-Type: application/json\r\nX-Request-Id: 7f3a",)"
                                R"("body":"{\"ok\":true}","created_at":"2026-11-01T10:00:00.123Z"})";
const std::string kRelationships =
    R"(,"relationships":{"webhook":{"data":{"type":"notification/webhooks","id":"7"}}}})";
const std::string kWebhook = R"({"type":"notification/webhooks","id":"7","attributes":{"name":"Orders",)"
                             R"("url":"https://example.com/hook?a=1&b=2"}})";
const std::string kPath = "/api/v3/notification/webhook/7/calls";

std::string list(const Asked& asked, std::vector<CallRow> records, bool more = false, const CallTotals& totals = {},
                 std::size_t piece_bytes = std::string::npos) {
  Recording output;
  const Response response{output, false};
  ListedRows rows{std::move(records), more, piece_bytes};
  std::string text;
  JsonWriter json{text};
  const std::size_t written = write_call_list(json, response, asked.request(), rows, totals);
  BOOST_TEST(written == rows.taken);
  return text;
}

std::string show(std::string_view query, const CallRow& row, std::size_t piece_bytes = std::string::npos) {
  const Asked asked{query, {7, 1842}};
  ListedRows rows{{row}, false, piece_bytes};
  std::string text;
  JsonWriter json{text};
  write_call(json, asked.request(), *rows.next(), rows);
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(jsonapi_test)

// The contract's own example.
BOOST_AUTO_TEST_CASE(example) {
  const Asked asked{"page[number]=2&page[size]=25&count=true"};
  BOOST_TEST(
      list(asked, {kAnswered}, true, {120394}) ==
      R"({"jsonapi":{"version":"1.1"},"data":[{"type":"notification/webhook/calls","id":"1842","attributes":{)"
      R"("http_code":200,"headers":"Content-Type: application/json\r\nX-Request-Id: 7f3a","body":"{\"ok\":true}",)"
      R"("created_at":"2026-11-01T10:00:00.123Z"},"relationships":{"webhook":{"data":{)"
      R"("type":"notification/webhooks","id":"7"}}}}],"links":{)"
      R"("self":"/api/v3/notification/webhook/7/calls?page%5Bnumber%5D=2&page%5Bsize%5D=25&count=true",)"
      R"("first":"/api/v3/notification/webhook/7/calls?page%5Bnumber%5D=1&page%5Bsize%5D=25&count=true",)"
      R"("prev":"/api/v3/notification/webhook/7/calls?page%5Bnumber%5D=1&page%5Bsize%5D=25&count=true",)"
      R"("next":"/api/v3/notification/webhook/7/calls?page%5Bnumber%5D=3&page%5Bsize%5D=25&count=true",)"
      R"("last":"/api/v3/notification/webhook/7/calls?page%5Bnumber%5D=4816&page%5Bsize%5D=25&count=true"},)"
      R"("meta":{"count":120394}})");
}

BOOST_AUTO_TEST_CASE(lists) {
  const std::string first = R"("first":")" + kPath + R"(?page%5Bnumber%5D=1"})";
  const std::string links = R"(],"links":{"self":")" + kPath + R"(",)" + first;
  BOOST_TEST(list(Asked{""}, {}) == kBegin + "[" + links + "}");
  BOOST_TEST(list(Asked{""}, {kAnswered}) == kBegin + "[" + kIdentity + kAttributes + kRelationships + links + "}");
  BOOST_TEST(list(Asked{"count=1"}, {}, false, {0}) == kBegin + R"([],"links":{"self":")" + kPath +
                                                           R"(?count=1","first":")" + kPath +
                                                           R"(?count=1&page%5Bnumber%5D=1","last":")" + kPath +
                                                           R"(?count=1&page%5Bnumber%5D=1"},"meta":{"count":0}})");
  // no HTTP response arrived: null, not "" or 0
  BOOST_TEST(list(Asked{""}, {kUnanswered, kAnswered}) ==
             kBegin + R"([{"type":"notification/webhook/calls","id":"18446744073709551615","attributes":{)" +
                 R"("http_code":null,"headers":null,"body":null,"created_at":"2026-11-01T10:00:01.000Z"})" +
                 kRelationships + "," + kIdentity + kAttributes + kRelationships + links + "}");
}

BOOST_AUTO_TEST_CASE(counts_by_group) {
  const std::string day = "2026-11-01T00:00:00.000Z", none = "";
  const auto meta = [](std::string_view query, const std::vector<CallCount>& counts) {
    const std::string text = list(Asked{query}, {}, false, {{}, counts});
    return text.substr(text.find(R"(,"meta")"));
  };
  BOOST_TEST(meta("count_by=created_at.day,http_code", {{day, {}, 3}, {day, 200, 4}}) ==
             R"(,"meta":{"counts":[{"created_at":")" + day + R"(","http_code":null,"count":3},{"created_at":")" + day +
                 R"(","http_code":200,"count":4}]}})");
  BOOST_TEST(meta("count_by=http_code.class,created_at.day", {{day, {}, 3}, {day, 500, 4}}) ==
             R"(,"meta":{"counts":[{"http_code":null,"created_at":")" + day +
                 R"(","count":3},{"http_code":"5xx","created_at":")" + day + R"(","count":4}]}})");
  BOOST_TEST(meta("count_by=created_at.hour", {{day, {}, 3}}) ==
             R"(,"meta":{"counts":[{"created_at":")" + day + R"(","count":3}]}})");
  BOOST_TEST(meta("count_by=http_code.class", {{none, 0, 1}, {none, 65500, 2}}) ==
             R"(,"meta":{"counts":[{"http_code":"0xx","count":1},{"http_code":"655xx","count":2}]}})");
  BOOST_TEST(meta("count_by=http_code", {}) == R"(,"meta":{"counts":[]}})");
  // A page of nothing has no neighbours.
  BOOST_TEST(list(Asked{"count_by=http_code&count=1&page[size]=0"}, {}, false, {5, {{none, 200, 5}}}) ==
             kBegin + R"([],"links":{"self":")" + kPath + R"(?count_by=http_code&count=1&page%5Bsize%5D=0"},)" +
                 R"("meta":{"count":5,"counts":[{"http_code":200,"count":5}]}})");
}

BOOST_AUTO_TEST_CASE(lines) {
  const struct {
    std::string fields;
    std::vector<CallRow> records;
  } rows[] = {
      {"", {}}, {"", {kAnswered}}, {"?", {kAnswered, kUnanswered, kAnswered}}, {"webhook", {kAnswered, kUnanswered}}};
  for (const auto& row : rows) {
    const Asked asked{row.fields == "?" ? "" : "fields[notification/webhook/calls]=" + row.fields};
    Recording output;
    Response response{output, false};
    ListedRows records{row.records, false, 5};
    BOOST_TEST(write_call_lines(response, asked.request(), records) == row.records.size());
    response.finish();
    std::string text = output.text.substr(output.text.find("\r\n\r\n") + 4);
    BOOST_TEST(std::ranges::count(text, '\n') == static_cast<std::ptrdiff_t>(row.records.size()));
    if (!text.empty()) text.pop_back();
    std::ranges::replace(text, '\n', ',');
    const std::string document = list(asked, row.records);
    BOOST_TEST(document.starts_with(kBegin + "[" + text + "]"));
  }
}

BOOST_AUTO_TEST_CASE(included) {
  const auto between = [](const std::string& text) {
    const auto begin = text.find(R"("included":)");
    return begin == std::string::npos ? "none" : text.substr(begin + 11, text.find(R"(,"links")") - begin - 11);
  };
  const struct {
    std::string query, of_list, of_empty_list;
  } rows[] = {
      {"", "none", "none"},
      {"include=", "[]", "[]"},
      {"included=webhook", "[" + kWebhook + "]", "[]"},
      {"include=webhook&fields[notification/webhooks]=name",
       R"([{"type":"notification/webhooks","id":"7","attributes":{"name":"Orders"}}])", "[]"},
      {"include=webhook&fields[notification/webhooks]=url",
       R"([{"type":"notification/webhooks","id":"7","attributes":{"url":"https://example.com/hook?a=1&b=2"}}])", "[]"},
      {"include=webhook&fields[notification/webhooks]=", R"([{"type":"notification/webhooks","id":"7"}])", "[]"},
      {"fields[notification/webhooks]=name", "none", "none"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.query) {
      BOOST_TEST(between(list(Asked{row.query}, {kAnswered, kUnanswered})) == row.of_list);
      BOOST_TEST(between(list(Asked{row.query}, {})) == row.of_empty_list);
      BOOST_TEST(between(show(row.query, kAnswered)) == row.of_list);
    }
  }
}

BOOST_AUTO_TEST_CASE(one_call) {
  const std::string links = R"(,"links":{"self":")" + kPath + "/1842";
  BOOST_TEST(show("", kAnswered) == kBegin + kIdentity + kAttributes + kRelationships + links + R"("}})");
  BOOST_TEST(show("include=webhook", kAnswered) == kBegin + kIdentity + kAttributes + kRelationships +
                                                       R"(,"included":[)" + kWebhook + "]" + links +
                                                       R"(?include=webhook"}})");
}

BOOST_AUTO_TEST_CASE(sparse_fields) {
  const struct {
    std::string fields, resource;
  } rows[] = {
      {"body", kIdentity + R"(,"attributes":{"body":"{\"ok\":true}"}})"},
      {"created_at,http_code",
       kIdentity + R"(,"attributes":{"http_code":200,"created_at":"2026-11-01T10:00:00.123Z"}})"},
      {"http_code,webhook", kIdentity + R"(,"attributes":{"http_code":200})" + kRelationships},
      {"webhook", kIdentity + kRelationships},
      {"id,type,webhook_id", kIdentity + "}"},
      {"", kIdentity + "}"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.fields) {
      const std::string document = show("fields[notification/webhook/calls]=" + row.fields, kAnswered);
      BOOST_TEST(document.substr(0, document.find(R"(,"links")")) == kBegin + row.resource);
    }
  }
}

BOOST_AUTO_TEST_CASE(recorded_bytes_of_every_kind) {
  std::string bytes;
  for (unsigned byte = 0; byte < 0x100; ++byte) bytes += static_cast<char>(byte);
  const std::string large = std::string((64U << 10U) - 2, 'x') + "\xE2\x82\xAC\xE2\x82" + bytes;
  for (const std::string& text : {bytes, large, std::string{}, std::string{"\0", 1}}) {
    const std::string json =
        list(Asked{""}, {{.id = 1, .http_code = 500, .headers = text, .body = text, .created_at = ""}});
    rapidjson::Document document;
    document.Parse<rapidjson::kParseValidateEncodingFlag>(json.data(), json.size());
    BOOST_TEST_REQUIRE(!document.HasParseError());
    for (const char* name : {"headers", "body"}) {
      const auto& value = document["data"][0]["attributes"][name];
      const std::string parsed{value.GetString(), value.GetStringLength()};
      BOOST_TEST((parsed == reference_utf8(text)));
    }
  }
}

// However a text is cut, inside characters and inside invalid parts: the document is that of the whole text.
BOOST_AUTO_TEST_CASE(texts_in_pieces) {
  const std::string text =
      "a\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80 \xF0\x9F\x98\xF0\x9F\xE2\x82\xC3\xF0\x9F\x98\x80\x80\x80\x80\x80\x80"
      "\xED\xA0\x80\xF4\x90\x80\x80\xE0\x9F\xBF\xC0\xAF\xFF\xFE\"\r\n\xE2\x82\xAC\xE2\x82";
  CallRow row = kAnswered;
  for (const std::string& tail : {std::string{}, std::string{"\xAC"}, std::string{"\xF0\x9F\x98"}, std::string{"z"}}) {
    row.headers = text + tail;
    row.body = tail + text;
    const std::string shown = show("", row), listed = list(Asked{""}, {row, kUnanswered, row});
    for (std::size_t piece_bytes = 1; piece_bytes <= text.size() + 4; ++piece_bytes) {
      BOOST_TEST_CONTEXT("pieces of " << piece_bytes) {
        BOOST_TEST(show("", row, piece_bytes) == shown);
        BOOST_TEST(list(Asked{""}, {row, kUnanswered, row}, false, {}, piece_bytes) == listed);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(large_text_flows_while_it_is_pulled) {
  const Asked asked{""};
  std::string body(3'000'000, 'x');
  for (std::size_t at = 0; at + 4 < body.size(); at += 1001) body.replace(at, 4, "\xF0\x9F\x98\x80");
  const CallRow record{.id = 1, .body = body};
  Recording output;
  Response response{output, false};
  JsonWriter json{response};
  ListedRows rows{{record}, false, 100'000};
  write_call_list(json, response, asked.request(), rows, {});
  response.finish();
  BOOST_TEST(rows.pulled == 29U);
  BOOST_TEST((output.text.substr(output.text.find("\r\n\r\n") + 4) == list(asked, {record})));
  for (const std::size_t size : output.sizes) BOOST_TEST(size < 2 * Response::kHeldBytes);
}

BOOST_AUTO_TEST_CASE(large_list_flows_and_stays_whole) {
  const Asked asked{""};
  std::vector<CallRow> records;
  for (std::uint64_t id = 1; id <= 40; ++id)
    records.push_back({.id = id, .headers = "", .body = std::string(100000, 'x')});
  Recording output;
  Response response{output, false};
  JsonWriter json{response};
  ListedRows rows{records};
  BOOST_TEST(write_call_list(json, response, asked.request(), rows, {}) == 40U);
  response.finish();
  const std::string body = output.text.substr(output.text.find("\r\n\r\n") + 4);
  BOOST_TEST((body == list(asked, records)));
  for (const std::size_t size : output.sizes) BOOST_TEST(size < 2 * Response::kHeldBytes);
}

BOOST_AUTO_TEST_CASE(nothing_is_pulled_for_nobody) {
  const std::vector<CallRow> records(50, {.id = 1, .body = std::string(50000, 'x')});
  const Asked asked{""};
  for (const bool head : {true, false}) {
    Recording output{head ? Recording::kNever : 0};
    Response response{output, head};
    JsonWriter json{response};
    ListedRows rows{records};
    write_call_list(json, response, asked.request(), rows, {});
    BOOST_TEST(rows.taken < 25U);
    Recording second_output{head ? Recording::kNever : 0};
    Response second{second_output, head};
    JsonWriter second_json{second};
    ListedRows pieces{
        {{.id = 1, .headers = std::string(5'000'000, 'x'), .body = std::string(5'000'000, 'x')}}, false, 100'000};
    write_call(second_json, asked.request(), *pieces.next(), pieces);
    second.finish();
    BOOST_TEST(pieces.pulled > 0U);
    BOOST_TEST(pieces.pulled < 10U);
  }
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto document = [](const ApiError& error) {
    std::string text;
    JsonWriter json{text};
    write_errors(json, error, "7f3a");
    return text;
  };
  const std::string begin = R"({"jsonapi":{"version":"1.1"},"errors":[)";
  // The contract's own example.
  BOOST_TEST(document({kInvalidParameter,
                       Fault{"page[size] must be a whole number from 1 to 1000, not \"0\".", "page[size]"}}) ==
             begin + R"({"id":"7f3a","status":"400","code":"invalid_parameter","title":"Invalid query parameter",)" +
                 R"("detail":"page[size] must be a whole number from 1 to 1000, not \"0\".",)" +
                 R"("source":{"parameter":"page[size]"}}]})");
  BOOST_TEST(document({kInvalidParameter, std::vector<Fault>{{"A.", "a\xFF"}, {"B.", ""}, {"C.", "c\n"}}}) ==
             begin + R"({"id":"7f3a","status":"400","code":"invalid_parameter","title":"Invalid query parameter",)"
                     "\"detail\":\"A.\",\"source\":{\"parameter\":\"a\xEF\xBF\xBD\"}},"
                     R"({"id":"7f3a.2","status":"400","code":"invalid_parameter","title":"Invalid query parameter",)"
                     R"("detail":"B.","source":{"parameter":""}},)"
                     R"({"id":"7f3a.3","status":"400","code":"invalid_parameter","title":"Invalid query parameter",)"
                     R"("detail":"C.","source":{"parameter":"c\n"}}]})");
  const struct {
    ErrorKind kind;
    std::string_view header;
    std::string status_code_title;
  } rows[] = {
      {kUnauthorized, "Authorization", R"("401","code":"unauthorized","title":"Unauthorized")"},
      {kNotFound, "", R"("404","code":"not_found","title":"Not found")"},
      {kMethodNotAllowed, "", R"("405","code":"method_not_allowed","title":"Method not allowed")"},
      {kNotAcceptable, "Accept", R"("406","code":"not_acceptable","title":"Not acceptable")"},
      {kUnsupportedMediaType, "Content-Type",
       R"("415","code":"unsupported_media_type","title":"Unsupported media type")"},
      {kInternalError, "", R"("500","code":"internal_error","title":"Internal server error")"},
      {kServiceUnavailable, "", R"("503","code":"service_unavailable","title":"Service unavailable")"},
  };
  for (const auto& row : rows) {
    const std::string source = row.header.empty() ? "" : R"(,"source":{"header":")" + std::string{row.header} + R"("})";
    BOOST_TEST(document({row.kind, Fault{.detail = "Words.", .header = row.header}}) ==
               begin + R"({"id":"7f3a","status":)" + row.status_code_title + R"(,"detail":"Words.")" + source + "}]}");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
