#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace webhook_calls {

/// What the service reads of a request. Header fields that came several times are joined by ", " (RFC 9110, 5.3); an
/// absent one is empty, and an empty one means the same.
struct Request {
  std::string id{};  ///< the web server's, or one of ours
  std::string method{};
  std::string path{};          ///< as nginx decoded it; of another web server, as the client sent it
  std::string query_string{};  ///< as the client sent it
  std::string accept{};
  std::string authorization{};
  std::string content_type{};
  std::string if_none_match{};
  bool exports = false;      ///< the web server has chosen this pool for exports; no client header can set this either
  std::string account_id{};  ///< whom the web server has authenticated; no client header can set this parameter
};

/// Reads a CGI or FastCGI parameter (RFC 3875) by its name; empty where there is none.
using ParameterReader = std::function<std::string(std::string_view name)>;

[[nodiscard]] Request read_request(const ParameterReader& parameter);

}  // namespace webhook_calls
