#include "fcgi/bearer.h"

#include "fcgi/api_error.h"
#include "fcgi/text.h"

namespace webhook_calls {
namespace {

/// token68 of RFC 9110, 11.2: any number of `=`, at the end only.
bool is_token68(std::string_view text) {
  constexpr std::string_view kAllowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~+/";
  const auto padding = text.find_first_not_of(kAllowed);
  return padding != 0 && !text.empty() &&
         (padding == std::string_view::npos || text.find_first_not_of('=', padding) == std::string_view::npos);
}

}  // namespace

std::string_view parse_bearer(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    const std::string_view token = trim(authorization.substr(kScheme.size()));
    if (is_token68(token)) return token;
  }
  throw ApiError(kUnauthorized, Fault{.detail = "The request needs the header field Authorization: Bearer TOKEN.",
                                      .header = "Authorization"});
}

}  // namespace webhook_calls
