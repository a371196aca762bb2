#include "fcgi/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace webhook_calls {
namespace {

/// OpenSSL's state of a digest, made once: looking the algorithm up and making a state take ten times as long as the
/// digest of a token.
class Sha256 {
 public:
  using Digest = std::array<unsigned char, 32>;

  Digest digest(std::string_view bytes) {
    Digest digest{};
    if (EVP_DigestInit_ex(context_.get(), algorithm_.get(), nullptr) != 1 ||
        EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1 ||
        EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1) {
      throw std::runtime_error("libcrypto has no SHA-256");
    }
    return digest;
  }

 private:
  std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> algorithm_{EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  thread_local Sha256 sha256;
  std::string hex;
  for (const unsigned char byte : sha256.digest(bytes)) {
    hex += kDigits[byte >> 4U];
    hex += kDigits[byte & 0xFU];
  }
  return hex;
}

}  // namespace webhook_calls
