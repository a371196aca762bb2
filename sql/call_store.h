#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sql/call_query.h"
#include "sql/call_row.h"
#include "sql/call_statements.h"
#include "sql/mysql_session.h"

namespace webhook_calls {

/// What a reader may see of a webhook.
struct Access {
  std::optional<std::uint64_t> account_id{};  ///< empty where open access did not meet a webhook
  std::optional<Webhook> webhook{};           ///< empty: there is none for this reader
  std::string cutoff{};                       ///< of this request: records created then or before have expired
  std::uint64_t first_id = 0;                 ///< of the webhook's records: those with lower ids have expired
  bool has_chunks = false;
};

struct CallPage {
  std::optional<std::uint64_t> count{};  ///< where the query asks for it
  std::unique_ptr<CallRows> rows{};      ///< reads from the session: at most one at a time, and not beyond its life
};

/// The records in the database. Every function, and CallRows::next(), throws DatabaseError.
class CallStore {
 public:
  explicit CallStore(MysqlSession& session) : session_(session) {}

  /// Empty: the token is unknown or has expired.
  [[nodiscard]] std::optional<Access> find_access(const Reader& reader, std::uint64_t webhook_id);

  [[nodiscard]] CallPage list_calls(const CallQuery& query, const Access& access);

  /// No row: there is no such record, or it has expired.
  [[nodiscard]] std::unique_ptr<CallRows> find_call(std::uint64_t webhook_id, std::uint64_t call_id, FieldSet fields,
                                                    const std::string& cutoff);

 private:
  MysqlSession& session_;
};

}  // namespace webhook_calls
