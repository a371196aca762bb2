#include "sql/call_conditions.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "sql/overloaded.h"
#include "sql/redaction.h"

namespace webhook_calls {
namespace {

BindValue bind_value_of(const FilterValue& value) {
  return std::visit(Overloaded{[](const Instant& instant) { return BindValue{to_sql_datetime(instant.unix_ms)}; },
                               [](const auto& plain) { return BindValue{plain}; }},
                    value);
}

/// Between two values that the column can hold.
bool is_between(const FilterValue& value) {
  const auto* instant = std::get_if<Instant>(&value);
  return instant != nullptr && instant->finer;
}

Sql comparison(const Filter& filter) {
  const bool between = is_between(filter.values.front());
  switch (filter.op) {
    case Operator::lt:
      return between ? Sql{"<="} : Sql{"<"};
    case Operator::lte:
      return "<=";
    case Operator::gt:
      return ">";
    case Operator::gte:
      return between ? Sql{">"} : Sql{">="};
    case Operator::any_of:
      break;
  }
  return "=";
}

/// As many ranges as the next power of two, the last one repeated: so few different texts are prepared.
void add_ids(Statement& statement, const std::vector<IdRange>& ids) {
  if (ids.empty()) return;
  statement.add(" AND (");
  for (std::size_t i = 0; i < std::bit_ceil(ids.size()); ++i) {
    const IdRange& range = ids[std::min(i, ids.size() - 1)];
    if (i > 0) statement.add(" OR ");
    statement.add("c.id>=").bind(range.first).add(" AND c.id<=").bind(range.last);
  }
  statement.add(")");
}

}  // namespace

Statement column_of(CallField field, const CallQuery& query) {
  if (field == CallField::headers && !query.redaction.empty()) return redacted_headers(query.redaction);
  return Statement{row_of(field).column};
}

void add_condition(Statement& statement, const Statement& column, const Filter& filter) {
  if (filter.op != Operator::any_of && !filter.values.empty()) {
    statement.add(column).add(comparison(filter)).bind(bind_value_of(filter.values.front()));
    return;
  }
  std::vector<BindValue> values;
  for (const FilterValue& value : filter.values) {
    if (!is_between(value)) values.push_back(bind_value_of(value));
  }
  if (values.empty()) {
    if (filter.or_null) {
      statement.add(column).add(" IS NULL");
    } else {
      statement.add("FALSE");
    }
    return;
  }
  if (filter.or_null) statement.add("(");
  statement.add(column).add(" IN ").bind_list(values);
  if (filter.or_null) statement.add(" OR ").add(column).add(" IS NULL)");
}

void add_conditions(Statement& statement, const CallQuery& query, const CallScope& scope) {
  statement.add(" WHERE c.webhook_id=").bind(query.webhook_id).add(" AND c.created_at>");
  if (scope.cutoff.empty()) {
    statement.add(kCutoffNow);
  } else {
    statement.bind(scope.cutoff);
  }
  add_ids(statement, scope.ids);
  for (const Filter& filter : query.filters) {
    if (filter.field == CallField::webhook_id) {  // decided here: the webhook is the path's
      const bool here = std::ranges::find(filter.values, FilterValue{query.webhook_id}) != filter.values.end();
      if (!here) statement.add(" AND FALSE");
    } else {
      statement.add(" AND ");
      add_condition(statement, column_of(filter.field, query), filter);
    }
  }
}

}  // namespace webhook_calls
