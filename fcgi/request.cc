#include "fcgi/request.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <stdexcept>

namespace webhook_calls {
namespace {

bool is_request_id(std::string_view text) {
  constexpr std::size_t kMaxLength = 64;
  constexpr std::string_view kAllowed = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
  return !text.empty() && text.size() <= kMaxLength && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

/// 128 random bits as 32 hexadecimal digits, like nginx's $request_id.
std::string make_request_id() {
  std::array<unsigned char, 16> bytes{};  // by std::random_device, the program would need the C library of 2022
  if (getentropy(bytes.data(), bytes.size()) != 0) throw std::runtime_error("the system has no random bytes");
  std::string id;
  for (const unsigned byte : bytes) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", byte);
    id += digits.data();
  }
  return id;
}

}  // namespace

Request read_request(const ParameterReader& parameter) {
  Request request;
  request.id = parameter("REQUEST_ID");
  if (!is_request_id(request.id)) request.id = make_request_id();
  request.method = parameter("REQUEST_METHOD");
  request.path = parameter("DOCUMENT_URI");
  if (request.path.empty()) {  // another web server than nginx
    request.path = parameter("REQUEST_URI");
    request.path.erase(std::min(request.path.find('?'), request.path.size()));
  }
  request.query_string = parameter("QUERY_STRING");
  request.accept = parameter("HTTP_ACCEPT");
  request.authorization = parameter("HTTP_AUTHORIZATION");
  request.content_type = parameter("CONTENT_TYPE");
  request.if_none_match = parameter("HTTP_IF_NONE_MATCH");
  request.exports = parameter("EXPORTS") == "on";
  request.account_id = parameter("ACCOUNT_ID");
  return request;
}

}  // namespace webhook_calls
