#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "sql/database.h"
#include "sql/statement.h"

namespace webhook_calls {

/// The rows of one statement, all of them held in memory by the driver. Columns count from 1. It must not outlive its
/// session's connection, nor the next execution of the same statement text.
class MysqlResult {
 public:
  class Impl;
  explicit MysqlResult(std::unique_ptr<Impl> impl);
  MysqlResult(MysqlResult&&) noexcept;
  MysqlResult& operator=(MysqlResult&&) = delete;
  ~MysqlResult();

  [[nodiscard]] std::size_t size() const;  ///< rows that next() has not come to
  [[nodiscard]] bool next();               ///< moves to the next row, from before the first; false behind the last
  [[nodiscard]] bool is_null(unsigned column) const;
  [[nodiscard]] std::uint64_t number(unsigned column) const;  ///< 0 for NULL
  [[nodiscard]] std::string text(unsigned column) const;      ///< empty for NULL

 private:
  std::unique_ptr<Impl> impl_;
};

/// A process' one connection, made when it is first needed, and its prepared statements. execute() throws
/// DatabaseError; the next call after one closes the connection and makes a new one.
class MysqlSession {
 public:
  explicit MysqlSession(DatabaseSettings settings);
  MysqlSession(const MysqlSession&) = delete;
  MysqlSession& operator=(const MysqlSession&) = delete;
  ~MysqlSession();

  /// Prepares the statement, unless the connection still has it, and runs it.
  [[nodiscard]] MysqlResult execute(const Statement& statement);

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
  friend class Snapshot;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// While one is held, all statements of its session see the database as it was when it was made, and cannot write. Its
/// making, and end(), throw DatabaseError.
class Snapshot {
 public:
  explicit Snapshot(MysqlSession& session);
  Snapshot(Snapshot&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
  Snapshot& operator=(Snapshot&&) = delete;
  /// Where it cannot be ended otherwise, it closes the connection: no result of the session may be in use.
  ~Snapshot();

  /// Results stay in use.
  void end();

 private:
  MysqlSession* session_;
};

}  // namespace webhook_calls
