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
BOOST_AUTO_TEST_CASE(sha256) {
  const struct {
    std::string bytes;
    std::string_view hex;
  } rows[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& row : rows) BOOST_TEST(sha256_hex(row.bytes) == row.hex);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
