#pragma once

#include <string>
#include <vector>

#include "sql/call_query.h"
#include "sql/call_rollup.h"
#include "sql/call_row.h"
#include "sql/mysql_session.h"

/// The records that a query selects, counted in the groups that its count_by names: CallTotals::counts. Both functions
/// throw DatabaseError, and must run in one snapshot of the session with what shall agree with them.
namespace webhook_calls {

/// Counts the records that were created after `cutoff`.
[[nodiscard]] std::vector<CallCount> list_counts(MysqlSession& session, const CallQuery& query,
                                                 const std::string& cutoff);

/// Adds up what is known of chunks. Of one that lies in two buckets of time those records alone are counted that are in
/// the bucket where it has less of its time.
[[nodiscard]] std::vector<CallCount> list_counts(MysqlSession& session, CallRollup& rollup);

}  // namespace webhook_calls
