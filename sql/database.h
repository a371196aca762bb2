#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

/// The database as its operator and the log know it; how it is asked is MysqlSession's.
namespace webhook_calls {

/// One place where the database can be reached: a unix socket's path, or a host and a port.
struct DatabaseHost {
  std::string socket{};
  std::string host{};
  std::uint16_t port = 3306;
};

/// unix:/path, host:port or [IPv6]:port
[[nodiscard]] std::string name_of(const DatabaseHost& host);

struct DatabaseSettings {
  std::vector<DatabaseHost> hosts{};  ///< at least one; the first that answers is used (HostOrder)
  std::string name{};
  std::string user{};
  std::string password{};
  std::string tls_ca{};  ///< PEM file; where set, the connection is encrypted and the server's certificate is verified
  std::chrono::seconds connect_timeout{2};
  std::chrono::seconds statement_timeout{5};
};

/// What went wrong, by what the caller can do about it. what() is the driver's text, for the log and never for a
/// client.
class DatabaseError : public std::runtime_error {
 public:
  enum class Kind {
    unreachable,  ///< no connection could be made within the limit
    timed_out,    ///< a statement ran into its limit, or the only host there is fell silent
    lost,         ///< the connection broke
    failed,       ///< the server refused the statement
  };

  DatabaseError(Kind kind, const std::string& text, int code = 0)
      : std::runtime_error(text), kind_(kind), code_(code) {}
  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] int code() const { return code_; }  ///< the server's or the driver's; 0: none

 private:
  Kind kind_;
  int code_;
};

/// That the session is connected to another of its hosts than before.
struct NewHost {
  std::string host{};     ///< its name_of()
  std::string reasons{};  ///< the driver's texts about the hosts that were left or not reached; empty after a return
};

}  // namespace webhook_calls
