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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
