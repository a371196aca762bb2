#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "sql/access_cache.h"
#include "sql/call_query.h"
#include "sql/mysql_session.h"
#include "sql/page_rows.h"

namespace webhook_calls {

struct CallPage {
  CallTotals totals{};
  std::unique_ptr<CallRows> rows{};  ///< reads from the session: at most one at a time, and not beyond its life
};

/// The records in the database. Every function, and CallRows::next(), throws DatabaseError.
class CallStore {
 public:
  explicit CallStore(MysqlSession& session) : session_(session) {}

  /// Empty: the token is unknown or has expired. What was granted may be AccessCache::kLifetime old.
  [[nodiscard]] std::optional<Access> find_access(const Reader& reader, std::uint64_t webhook_id);

  /// Where the query has a position, the fields of its sort are read beside its own.
  [[nodiscard]] CallPage list_calls(CallQuery query, const Access& access, Pages pages = Pages::whole);

  /// What the query says of its webhook and of the fields to read holds. No row: there is no such record, or it has
  /// expired.
  [[nodiscard]] std::unique_ptr<CallRows> find_call(const CallQuery& query, std::uint64_t call_id);

  /// For when another database host is asked from now on, which may know less or more.
  void forget_access() { cache_.clear(); }

  /// Forgets all that the database said, and the connection to it.
  void reset();

 private:
  [[nodiscard]] std::optional<Access> ask_for_access(const Reader& reader, std::uint64_t webhook_id);

  MysqlSession& session_;
  AccessCache cache_{};
};

}  // namespace webhook_calls
