#pragma once

#include "sql/call_query.h"
#include "sql/statement.h"

namespace webhook_calls {

/// Records created then or before have expired: the 60 days are the contract's, the clock is the database's. It is the
/// same in all of a statement.
inline constexpr Sql kCutoffNow{"UTC_TIMESTAMP(3)-INTERVAL 60 DAY"};

/// A field of a record, as the query's reader may see it: all that is read, compared or sorted by is this.
[[nodiscard]] Statement column_of(CallField field, const CallQuery& query);

/// Whether a filter on a number selects `number`, and whether it selects null.
[[nodiscard]] bool accepts(const Filter& filter, std::uint64_t number);
[[nodiscard]] bool accepts_null(const Filter& filter);

/// Appends what a filter asks of `column`.
void add_condition(Statement& statement, const Statement& column, const Filter& filter);

/// Appends ` WHERE …`: the records of the query's webhook that lie in the scope and that all the query's filters
/// select.
void add_conditions(Statement& statement, const CallQuery& query, const CallScope& scope);

/// Appends in which of the groups of `by` a record or a chunk is, as two columns: t, the bucket's number (its begin is
/// that times by.seconds after the year 0), and g, the code divided by by.codes. 0 where `by` has none.
void add_group(Statement& statement, const CountBy& by, Sql created_at, Sql http_code);

}  // namespace webhook_calls
