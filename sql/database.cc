#include "sql/database.h"

namespace webhook_calls {

std::string name_of(const DatabaseHost& host) {
  if (!host.socket.empty()) return "unix:" + host.socket;
  const bool is_ipv6 = host.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host.host + "]" : host.host) + ":" + std::to_string(host.port);
}

}  // namespace webhook_calls
