#pragma once

#include "sql/call_query.h"
#include "sql/statement.h"

namespace webhook_calls {

/// Appends what a filter asks of `column`.
void add_condition(Statement& statement, Sql column, const Filter& filter);

/// Appends ` WHERE …`: the records of the query's webhook that lie in the scope and that all the query's filters
/// select.
void add_conditions(Statement& statement, const CallQuery& query, const CallScope& scope);

}  // namespace webhook_calls
