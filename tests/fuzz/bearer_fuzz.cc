#include <regex>
#include <string>

#include "fcgi/api_error.h"
#include "fcgi/bearer.h"
#include "fcgi/sha256.h"
#include "tests/fuzz/fuzz.h"

/// An Authorization, against RFC 6750's pattern.
namespace webhook_calls {

void run(std::string_view input) {
  static const std::regex kPattern{"[Bb][Ee][Aa][Rr][Ee][Rr] [ \\t]*([-A-Za-z0-9._~+/]+=*)[ \\t]*"};
  if (input.size() > 1000) return;  // the library's matcher recurses
  const std::string authorization{input};
  std::smatch match;
  const bool expected = std::regex_match(authorization, match, kPattern);
  try {
    const std::string_view token = parse_bearer(authorization);
    require(expected && token == match[1].str(), "the pattern's token");
    require(sha256_hex(token).size() == 64, "a hash of 64 digits");
  } catch (const ApiError& error) {
    require(!expected && error.kind().status == 401, "no token is a 401");
  }
}

}  // namespace webhook_calls
