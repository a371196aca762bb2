#include "fcgi/bearer.h"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

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

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    throw std::runtime_error("libcrypto has no SHA-256");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned i = 0; i < length; ++i) {
    hex += kDigits[digest.at(i) >> 4U];
    hex += kDigits[digest.at(i) & 0xFU];
  }
  return hex;
}

}  // namespace webhook_calls
