#include "fcgi/bearer.h"

#include <boost/test/unit_test.hpp>

#include "fcgi/api_error.h"
#include "tests/unit/shown.h"

namespace webhook_calls {

BOOST_AUTO_TEST_SUITE(bearer_test)

BOOST_AUTO_TEST_CASE(tokens) {
  const struct {
    std::string_view authorization, token;
  } rows[] = {
      {"Bearer abc", "abc"},
      {"bearer abc", "abc"},
      {"BEARER abc", "abc"},
      {"bEaReR abc", "abc"},
      {"Bearer   abc", "abc"},
      {"Bearer abc ", "abc"},
      {"Bearer Az09-._~+/", "Az09-._~+/"},
      {"Bearer YWJj=", "YWJj="},
      {"Bearer YWI==", "YWI=="},
      {"Bearer a===", "a==="},
      {"Bearer bearer", "bearer"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.authorization) { BOOST_TEST(parse_bearer(row.authorization) == row.token); }
  }
}

BOOST_AUTO_TEST_CASE(none) {
  for (const std::string& authorization : rows_of(R"(| |Bearer|Bearer |Bearer    |Bearerabc|Bearer:abc|Bearer=abc
Basic dTpw|Token abc|abc| Bearer abc|Bearer ab cd|Bearer abc, Bearer def|Bearer a=b|Bearer =|Bearer ==
Bearer "abc"|Bearer abc;x=y|Digest username="Bearer abc"|Basic Bearer abc|Bearer ab%63|Bearer {abc}|Bearer ü)")) {
    BOOST_TEST_CONTEXT('"' << shown(authorization) << '"') {
      BOOST_CHECK_EXCEPTION(static_cast<void>(parse_bearer(authorization)), ApiError, [](const ApiError& error) {
        const Fault& fault = error.faults().front();
        return error.kind().status == 401 && error.faults().size() == 1 && fault.header == "Authorization" &&
               !fault.detail.empty() && fault.detail.find("abc") == std::string::npos;
      });
    }
  }
}

// FIPS 180-2's examples.
BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
