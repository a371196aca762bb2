#include "fcgi/media_types.h"

#include <boost/test/unit_test.hpp>

#include "fcgi/api_error.h"

namespace webhook_calls {
namespace {

/// 200, or the status and the header field of the refusal.
template <typename Check>
std::string outcome(Check check, std::string_view value) {
  try {
    check(value);
    return "200";
  } catch (const ApiError& error) {
    if (error.faults().size() != 1 || error.faults().front().detail.empty()) return "faults without words";
    return std::to_string(error.kind().status) + " " + std::string{error.faults().front().header};
  }
}

/// Of a resource without exports.
void check_accept(std::string_view accept) {
  if (choose_format(accept, Exports::none) != Format::json_api) throw std::logic_error("an export that nobody offers");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(media_types_test)

BOOST_AUTO_TEST_CASE(content_type) {
  const std::string_view served[] = {
      "",
      "application/json",
      "application/json; charset=utf-8",
      "text/plain; ext=\"https://example.com/e\"",
      "application/x-www-form-urlencoded",
      "application/vnd.api+jsonx; charset=utf-8",
      "application/vnd.api+json",
      "Application/Vnd.API+JSON",
      "application/vnd.api+json;",
      "application/vnd.api+json; profile=\"https://example.com/p\"",
      "application/vnd.api+json;profile=\"https://example.com/p https://example.com/q\"",
      "application/vnd.api+json ; PROFILE=\"a;charset=utf-8\"",
      "nonsense",
  };
  for (const std::string_view value : served) {
    BOOST_TEST_CONTEXT(value) { BOOST_TEST(outcome(check_content_type, value) == "200"); }
  }
  const std::string_view refused[] = {
      "application/vnd.api+json; charset=utf-8",
      "application/vnd.api+json;charset=utf-8",
      "APPLICATION/VND.API+JSON ; Charset=\"utf-8\"",
      "application/vnd.api+json; version=1.1",
      "application/vnd.api+json; ext=\"https://example.com/e\"",
      "application/vnd.api+json; ext=\"https://example.com/e https://example.com/f\"",
      "application/vnd.api+json; profile=\"https://example.com/p\"; charset=utf-8",
      "application/vnd.api+json; profile=\"https://example.com/p\"; ext=\"https://example.com/e\"",
      "application/vnd.api+json; profiles=\"x\"",
      "application/vnd.api+json; q=1",  // a parameter like any other here: weights are Accept's
  };
  for (const std::string_view value : refused) {
    BOOST_TEST_CONTEXT(value) { BOOST_TEST(outcome(check_content_type, value) == "415 Content-Type"); }
  }
}

BOOST_AUTO_TEST_CASE(accept) {
  const std::string_view served[] = {
      "",
      "*/*",
      "*/*;q=0.1",
      "application/*",
      "application/json",
      "application/json; charset=utf-8",
      "Application/JSON",
      "text/html",
      "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
      "image/png, application/json;q=0.1",
      "application/vnd.api+json",
      "APPLICATION/vnd.api+JSON",
      "application/vnd.api+json;q=0.5",
      "application/vnd.api+json ; Q=0.001",
      "application/vnd.api+json; profile=\"https://example.com/p\"",
      "application/vnd.api+json; profile=\"a, b; c\\\"d\"; q=1",
      // one instance is enough
      "application/vnd.api+json; charset=utf-8, application/vnd.api+json",
      "application/vnd.api+json, application/vnd.api+json; charset=utf-8",
      "application/vnd.api+json;ext=\"https://example.com/e\",application/vnd.api+json;profile=\"p\"",
      "application/xml,,application/vnd.api+json",
      "text/plain;x=\"application/pdf,\",application/vnd.api+json",
      // a weight of 0 takes back what a broader range allows, and nothing else
      "application/json;q=0, */*",
      "text/plain;q=0, application/vnd.api+json",
      "*/*;q=0, application/vnd.api+json",
      "application/*;q=0, application/json",
  };
  for (const std::string_view value : served) {
    BOOST_TEST_CONTEXT(value) { BOOST_TEST(outcome(check_accept, value) == "200"); }
  }
  const std::string_view refused[] = {
      "application/vnd.api+json; charset=utf-8",
      "application/vnd.api+json; charset=utf-8, */*",
      "*/*, application/vnd.api+json;version=1",
      "application/vnd.api+json; charset=utf-8, application/json, text/html",
      "application/vnd.api+json; charset=utf-8;q=1, application/vnd.api+json; version=1",
      "application/vnd.api+json; ext=\"https://example.com/e\"",
      "application/vnd.api+json; ext=\"https://example.com/e\", */*",
      "application/vnd.api+json; ext=\"https://example.com/e\", application/vnd.api+json; charset=utf-8",
      "application/vnd.api+json; profile=\"p\"; charset=utf-8",
      "application/vnd.api+json;x=\",application/vnd.api+json,\"",
      "text/plain",
      "application/xml",
      "image/*",
      "text/plain;x=\",*/*,\"",
      "application/vnd.api+jsonx",
      "application/vnd.api+json;q=0",
      "application/vnd.api+json;q=0.000",
      "application/vnd.api+json;q=0, */*",
      "*/*;q=0",
      "*/*;q=0.0, text/plain",
      "application/json;q=0",
      "application/*;q=0, */*",
  };
  for (const std::string_view value : refused) {
    BOOST_TEST_CONTEXT(value) { BOOST_TEST(outcome(check_accept, value) == "406 Accept"); }
  }
}

BOOST_AUTO_TEST_CASE(exports) {
  constexpr std::string_view kNames[] = {"json_api", "csv", "ndjson"};
  const struct {
    std::string_view accept, offered, not_set_up;
  } rows[] = {
      {"", "json_api", "json_api"},
      {"*/*", "json_api", "json_api"},
      {"text/*", "406", "406"},
      {"application/*", "json_api", "json_api"},
      {"text/csv", "csv", "406"},
      {"TEXT/Csv", "csv", "406"},
      {"application/x-ndjson", "ndjson", "406"},
      {"text/csv;q=0.001", "csv", "406"},
      {"text/csv;", "csv", "406"},
      {"text/csv; header=present; charset=UTF-8", "csv", "406"},
      {"text/csv ; Header=\"Present\" ;charset=\"utf-8\";q=0.5", "csv", "406"},
      {"application/x-ndjson;charset=utf-8", "ndjson", "406"},
      // what we do not write
      {"text/csv; header=absent", "406", "406"},
      {"text/csv; charset=iso-8859-1", "406", "406"},
      {"text/csv; delimiter=tab", "406", "406"},
      {"application/x-ndjson; header=present", "406", "406"},
      {"application/ndjson", "406", "406"},
      {"application/csv", "406", "406"},
      {"text/csvx", "406", "406"},
      {"text/plain; x=\",text/csv,\"", "406", "406"},
      {"text/csv; header=absent, */*", "json_api", "json_api"},
      {"text/csv; header=absent, text/csv; q=0.1", "csv", "406"},
      // weights
      {"text/csv, */*;q=0.1", "csv", "json_api"},
      {"*/*;q=0.1, text/csv", "csv", "json_api"},
      {"text/csv;q=0.1, */*", "json_api", "json_api"},
      {"text/csv;q=0.9, application/vnd.api+json", "json_api", "json_api"},
      {"text/csv, application/vnd.api+json;q=0.9", "csv", "json_api"},
      {"text/csv;q=0.51, application/json;q=0.5", "csv", "json_api"},
      {"text/csv;q=0.499, application/json;q=0.5", "json_api", "json_api"},
      {"text/csv;q=0.0009, application/json;q=0.002", "json_api", "json_api"},
      {"text/csv;q=0", "406", "406"},
      {"text/csv;q=0, */*", "json_api", "json_api"},
      {"text/csv;q=0, application/x-ndjson;q=0.1", "ndjson", "406"},
      {"application/vnd.api+json;q=0, text/csv;q=0.1", "csv", "406"},
      {"*/*;q=0, text/csv", "csv", "406"},
      {"text/csv;q=nonsense, application/json;q=0.9", "csv", "json_api"},
      {"text/csv;q=0.x, application/json;q=0.9", "csv", "json_api"},
      // the most specific range is what JSON:API's weight is
      {"*/*, application/json;q=0.2, text/csv;q=0.5", "csv", "json_api"},
      {"application/vnd.api+json;q=0.2, application/json, text/csv;q=0.5", "csv", "json_api"},
      {"application/vnd.api+json;q=0.2, application/vnd.api+json;profile=p;q=0.7, text/csv;q=0.5", "json_api",
       "json_api"},
      // the same weight: a name before a wildcard, and JSON:API before the others
      {"text/csv, */*", "csv", "json_api"},
      {"*/*, text/csv", "csv", "json_api"},
      {"application/*;q=0.5, text/csv;q=0.5", "csv", "json_api"},
      {"text/csv, application/json", "json_api", "json_api"},
      {"text/csv, application/vnd.api+json", "json_api", "json_api"},
      {"text/csv, text/html", "json_api", "json_api"},
      {"text/csv, application/x-ndjson", "csv", "406"},
      {"application/x-ndjson, text/csv", "ndjson", "406"},
      {"application/x-ndjson;q=0.5, text/csv", "csv", "406"},
      {"*/*, application/x-ndjson, text/csv", "ndjson", "json_api"},
      // JSON:API's own refusal stands before all
      {"application/vnd.api+json; charset=utf-8, text/csv", "406", "406"},
      {"text/csv, application/vnd.api+json; ext=\"https://example.com/e\"", "406", "406"},
  };
  for (const auto& row : rows) {
    const auto chosen = [&](Exports there) {
      std::string_view name;
      const std::string status = outcome(
          [&](std::string_view accept) { name = kNames[static_cast<int>(choose_format(accept, there))]; }, row.accept);
      return status == "200" ? std::string{name} : status.substr(0, 3);
    };
    BOOST_TEST_CONTEXT(row.accept) {
      BOOST_TEST(chosen(Exports::offered) == row.offered);
      BOOST_TEST(chosen(Exports::not_set_up) == row.not_set_up);
      BOOST_TEST(chosen(Exports::none) == row.not_set_up);
    }
  }
}

BOOST_AUTO_TEST_CASE(words) {
  const auto detail = [](std::string_view accept, Exports exports) {
    try {
      static_cast<void>(choose_format(accept, exports));
    } catch (const ApiError& error) {
      return error.faults().front().detail;
    }
    return std::string{};
  };
  const struct {
    std::string_view accept;
    Exports exports;
    std::string_view words;
  } rows[] = {
      {"image/png", Exports::none, "the only media type"},
      {"image/png", Exports::offered, "names none of the media types for exports"},
      {"text/csv;header=absent", Exports::offered, "names none of the media types for exports"},
      {"text/csv", Exports::not_set_up, "not set up for exports"},
      {"application/vnd.api+json;charset=utf-8, text/csv", Exports::offered, "JSON:API lets nothing else be sent"},
  };
  for (const auto& row : rows) {
    BOOST_TEST(detail(row.accept, row.exports).find(row.words) != std::string::npos, detail(row.accept, row.exports));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
