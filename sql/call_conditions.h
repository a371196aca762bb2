#pragma once

#include "sql/call_query.h"
#include "sql/statement.h"

namespace webhook_calls {

/// Records created then or before have expired: the 60 days are the contract's, the clock is the database's. It is the
/// same in all of a statement.
inline constexpr Sql kCutoffNow{"UTC_TIMESTAMP(3)-INTERVAL 60 DAY"};

/// Appends what a filter asks of `column`.
void add_condition(Statement& statement, Sql column, const Filter& filter);

/// Appends ` WHERE …`: the records of the query's webhook that lie in the scope and that all the query's filters
/// select.
void add_conditions(Statement& statement, const CallQuery& query, const CallScope& scope);

}  // namespace webhook_calls
