#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "sql/statement.h"

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

/// The rows of one statement, all of them held in memory by the driver. Columns count from 1. It must not outlive its
/// session's connection, nor the next execution of the same statement text.
class MysqlResult {
 public:
  class Impl;
  explicit MysqlResult(std::unique_ptr<Impl> impl);
  MysqlResult(MysqlResult&&) noexcept;
  MysqlResult& operator=(MysqlResult&&) = delete;
  ~MysqlResult();

  [[nodiscard]] bool next();  ///< moves to the next row, from before the first; false behind the last
  [[nodiscard]] bool is_null(unsigned column) const;
  [[nodiscard]] std::uint64_t number(unsigned column) const;  ///< 0 for NULL
  [[nodiscard]] std::string text(unsigned column) const;      ///< empty for NULL

 private:
  std::unique_ptr<Impl> impl_;
};

/// That the session is connected to another of its hosts than before.
struct NewHost {
  std::string host{};     ///< its name_of()
  std::string reasons{};  ///< the driver's texts about the hosts that were left or not reached; empty after a return
};

/// A process' one connection, made when it is first needed, and its prepared statements. execute() and begin_snapshot()
/// throw DatabaseError; the next call after one closes the connection and makes a new one.
class MysqlSession {
 public:
  explicit MysqlSession(DatabaseSettings settings);
  MysqlSession(const MysqlSession&) = delete;
  MysqlSession& operator=(const MysqlSession&) = delete;
  ~MysqlSession();

  /// Prepares the statement, unless the connection still has it, and runs it.
  [[nodiscard]] MysqlResult execute(const Statement& statement);

  /// All statements until end_snapshot() see the database as it is now, and cannot write.
  void begin_snapshot();
  void end_snapshot() noexcept;

  void disconnect() noexcept;

  /// Where a host is to be preferred to the one of the connection, and answers again: goes back to it. False: all is as
  /// it was. No result or snapshot may be in use. It takes up to the connect timeout for each host that does not
  /// answer, and a statement's where one falls silent then.
  bool return_to_better_host();

  /// Empty: the host is the same as at the last call, or the first one of the settings.
  [[nodiscard]] std::optional<NewHost> take_new_host();

  /// Time spent in the calls above since the last call of this function.
  std::chrono::nanoseconds take_elapsed();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace webhook_calls
