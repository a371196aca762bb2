#pragma once

#include <string>

#include "sql/call_query.h"
#include "sql/statement.h"

namespace webhook_calls {

/// Appends ` WHERE …`: the records of the query's webhook that have not expired and that all its filters select.
void add_conditions(Statement& statement, const CallQuery& query, const std::string& cutoff);

}  // namespace webhook_calls
