#include "sql/call_order.h"

#include <optional>

#include "sql/call_conditions.h"
#include "sql/instant.h"

namespace webhook_calls {
namespace {

/// That the key's value comes after another one.
void add_after(Statement& statement, const SortKey& key, const std::optional<BindValue>& value,
               const CallQuery& query) {
  if (!value) {
    if (key.descending) {  // NULL is the smallest value
      statement.add("FALSE");
    } else {
      add_sort_value(statement, key.field, query);
      statement.add(" IS NOT NULL");
    }
    return;
  }
  const bool null_follows = key.descending && row_of(key.field).nullable;
  if (null_follows) statement.add("(");
  add_sort_value(statement, key.field, query);
  statement.add(key.descending ? Sql{"<"} : Sql{">"}).bind(*value);
  if (!null_follows) return;
  statement.add(" OR ");
  add_sort_value(statement, key.field, query);
  statement.add(" IS NULL)");
}

std::optional<BindValue> beginning_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return text->substr(0, kComparedBytes);
}

std::optional<BindValue> sort_value_of(const CallRow& row, CallField field) {
  switch (field) {
    case CallField::id:
    case CallField::webhook_id:  // never in a total order
      return row.id;
    case CallField::http_code:
      return row.http_code;
    case CallField::headers:
      return beginning_of(row.headers);
    case CallField::body:
      return beginning_of(row.body);
    case CallField::created_at:
      break;
  }
  return sql_from_rfc3339(row.created_at);
}

void add_same(Statement& statement, const SortKey& key, const std::optional<BindValue>& value, const CallQuery& query) {
  add_sort_value(statement, key.field, query);
  if (value) {
    statement.add("=").bind(*value);
  } else {
    statement.add(" IS NULL");
  }
}

}  // namespace

std::vector<SortKey> total_order(const std::vector<SortKey>& sort) {
  std::vector<SortKey> order;
  for (const SortKey& key : sort) {
    if (key.field != CallField::webhook_id) order.push_back(key);
    if (key.field == CallField::id) return order;
  }
  order.push_back({CallField::id, !sort.empty() && sort.back().descending});
  return order;
}

std::vector<SortKey> reading_order(const CallQuery& query) {
  std::vector<SortKey> order = total_order(query.sort);
  if (query.position && query.position->before) {
    for (SortKey& key : order) key.descending = !key.descending;
  }
  return order;
}

SortValues sort_values_of(const CallRow& row, const std::vector<SortKey>& sort) {
  SortValues values;
  for (const SortKey& key : total_order(sort)) values.push_back(sort_value_of(row, key.field));
  return values;
}

void add_sort_value(Statement& statement, CallField field, const CallQuery& query) {
  if (row_of(field).type == ValueType::text) {
    statement.add("LEFT(").add(column_of(field, query)).add(",1024)");
  } else {
    statement.add(column_of(field, query));
  }
}

void add_direction(Statement& statement, const SortKey& key) {
  if (key.descending) statement.add(" DESC");
}

void add_order(Statement& statement, const std::vector<SortKey>& order, const CallQuery& query) {
  statement.add(" ORDER BY ");
  for (const SortKey& key : order) {
    if (&key != &order.front()) statement.add(",");
    add_sort_value(statement, key.field, query);
    add_direction(statement, key);
  }
}

void add_position(Statement& statement, const CallQuery& query, const std::vector<SortKey>& order) {
  if (!query.position || query.position->values.empty()) return;
  const SortValues& values = query.position->values;
  statement.add(" AND (");
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i > 0) statement.add(" OR ");
    for (std::size_t j = 0; j < i; ++j) {
      add_same(statement, order[j], values[j], query);
      statement.add(" AND ");
    }
    add_after(statement, order[i], values[i], query);
  }
  statement.add(")");
}

}  // namespace webhook_calls
