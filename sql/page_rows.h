#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "sql/call_query.h"
#include "sql/call_row.h"
#include "sql/call_statements.h"
#include "sql/mysql_session.h"

namespace webhook_calls {

/// Whether the records of a page with large contents are all of one instant, for which the database keeps what a purge
/// deletes until the page is read to its end.
enum class Pages : std::uint8_t { whole, loose };

/// The query's page, which lies at `place`. `snapshot`: the one in which the place was found, if any. Throws
/// DatabaseError; the rows read from the session.
[[nodiscard]] std::unique_ptr<CallRows> read_page(MysqlSession& session, std::optional<Snapshot> snapshot,
                                                  const CallQuery& query, const PagePlace& place, Pages pages);

/// One record of the query's webhook, or none. Otherwise as read_page().
[[nodiscard]] std::unique_ptr<CallRows> read_call(MysqlSession& session, const CallQuery& query, std::uint64_t call_id);

}  // namespace webhook_calls
