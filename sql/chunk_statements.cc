#include "sql/chunk_statements.h"

#include <algorithm>

#include "sql/call_conditions.h"

namespace webhook_calls {
namespace {

enum class Coverage : std::uint8_t { whole, any };

bool is_lower_bound(const Filter& filter) { return filter.op == Operator::gt || filter.op == Operator::gte; }

/// What each bound of the times asks of a chunk's first record in time (`first`) and of its last one (`last`).
void add_times(Statement& statement, const ChunkScope& scope, Sql first, Sql last) {
  statement.add(first).add(">").bind(scope.cutoff);
  for (const Filter& filter : scope.query.filters) {
    if (filter.field != CallField::created_at) continue;
    statement.add(" AND ");
    add_condition(statement, is_lower_bound(filter) ? first : last, filter);
  }
}

void add_whole(Statement& statement, const ChunkScope& scope) { add_times(statement, scope, "k.min_at", "k.max_at"); }

/// The records of a chunk lie within, as far as one side of the times is concerned.
void add_side(Statement& statement, const ChunkScope& scope, bool lower) {
  const Sql column = lower ? Sql{"k.min_at"} : Sql{"k.max_at"};
  statement.add("MIN(");
  if (lower) {
    statement.add(column).add(">").bind(scope.cutoff);
  } else {
    statement.add("TRUE");
  }
  for (const Filter& filter : scope.query.filters) {
    if (filter.field != CallField::created_at || is_lower_bound(filter) != lower) continue;
    statement.add(" AND ");
    add_condition(statement, column, filter);
  }
  statement.add(")");
}

/// Chunks as k: one row each, whichever of their codes count.
void add_chunks(Statement& statement, const ChunkScope& scope, Coverage coverage) {
  const auto code = std::ranges::find(scope.query.filters, CallField::http_code, &Filter::field);
  const bool by_code = code != scope.query.filters.end();
  const bool several = by_code && code->values.size() + (code->or_null ? 1 : 0) > 1;
  statement.add(" FROM ");
  if (several) {
    statement.add(
        "(SELECT first_id,MAX(last_id) AS last_id,SUM(n) AS n,MIN(min_at) AS min_at,MAX(max_at) AS max_at FROM ");
  }
  statement.add(by_code ? Sql{"webhook_call_chunk_codes k FORCE INDEX (by_code) WHERE webhook_id="}
                        : Sql{"webhook_call_chunks k FORCE INDEX (PRIMARY) WHERE webhook_id="});
  statement.bind(scope.query.webhook_id);
  if (by_code) {
    statement.add(" AND ");
    add_condition(statement, "http_code", *code);
  }
  if (scope.ids.first > 0) statement.add(" AND first_id>=").bind(scope.ids.first);
  if (scope.ids.last != IdRange{}.last) statement.add(" AND last_id<=").bind(scope.ids.last);
  statement.add(several ? Sql{" GROUP BY first_id) k WHERE "} : Sql{" AND "});
  if (coverage == Coverage::whole) {
    add_whole(statement, scope);
  } else {
    add_times(statement, scope, "k.max_at", "k.min_at");
  }
}

/// The whole chunks as x, with the number of records up to and with each: upto.
void add_running_sum(Statement& statement, const ChunkScope& scope, Sql position, Sql order, bool descending) {
  statement.add(" FROM (SELECT ").add(position).add(" AS position,k.n,SUM(k.n) OVER (ORDER BY ").add(order);
  if (descending) statement.add(" DESC");
  statement.add(") AS upto");
  add_chunks(statement, scope, Coverage::whole);
  statement.add(") x");
}

}  // namespace

Statement select_sealed(std::uint64_t webhook_id) {
  Statement statement{
      "SELECT UTC_TIMESTAMP(3)-INTERVAL 60 DAY,COALESCE((SELECT last_id FROM webhook_call_chunks FORCE INDEX (PRIMARY)"
      " WHERE webhook_id="};
  return statement.bind(webhook_id).add(" ORDER BY first_id DESC LIMIT 1),0)");
}

Statement select_next_code(std::uint64_t webhook_id, std::uint64_t least) {
  Statement statement{"SELECT c.http_code FROM webhook_calls c FORCE INDEX (by_code) WHERE c.webhook_id="};
  return statement.bind(webhook_id).add(" AND c.http_code>=").bind(least).add(" ORDER BY c.http_code LIMIT 1");
}

Statement select_coverage(const ChunkScope& scope) {
  Statement statement{"SELECT IF("};
  add_whole(statement, scope);
  statement.add(",0,k.first_id) AS first,MAX(k.last_id),");
  add_side(statement, scope, true);
  statement.add(",");
  add_side(statement, scope, false);
  statement.add(",CAST(SUM(k.n) AS UNSIGNED)");
  add_chunks(statement, scope, Coverage::any);
  return statement.add(" GROUP BY first ORDER BY first");
}

Statement select_chunks(const ChunkScope& scope) {
  Statement statement{"SELECT k.first_id,k.last_id"};
  add_chunks(statement, scope, Coverage::any);
  return statement.add(" ORDER BY k.first_id");
}

Statement select_skip(const ChunkScope& scope, ChunkOrder order, std::uint64_t records) {
  // By time a chunk's records may lie among those of others: it is not passed before its own first one.
  const Sql passed = order.by_time ? Sql{"x.upto-x.n"} : Sql{"x.upto"};
  Statement statement{"SELECT "};
  statement.add(order.descending ? Sql{"MIN"} : Sql{"MAX"}).add("(IF(").add(passed).add("<=").bind(records);
  statement.add(",x.position,NULL)),CAST(COALESCE(MAX(IF(").add(passed).add("<=").bind(records).add(",").add(passed);
  statement.add(",0)),0) AS UNSIGNED),CAST(COALESCE(MAX(").add(passed).add("),0) AS UNSIGNED)");
  const Sql position = order.by_time      ? (order.descending ? Sql{"k.max_at"} : Sql{"k.min_at"})
                       : order.descending ? Sql{"k.first_id"}
                                          : Sql{"k.last_id"};
  add_running_sum(statement, scope, position, position, order.descending);
  return statement;
}

Statement select_reach(const ChunkScope& scope, ChunkOrder order, std::uint64_t records) {
  Statement statement{"SELECT "};
  statement.add(order.descending ? Sql{"MAX"} : Sql{"MIN"}).add("(x.position)");
  const Sql position = order.by_time      ? (order.descending ? Sql{"k.min_at"} : Sql{"k.max_at"})
                       : order.descending ? Sql{"k.first_id"}
                                          : Sql{"k.last_id"};
  add_running_sum(statement, scope, position, position, order.descending);
  return statement.add(" WHERE x.upto>=").bind(records);
}

}  // namespace webhook_calls
