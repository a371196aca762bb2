#include "sql/chunk_statements.h"

#include <algorithm>

#include "sql/call_conditions.h"
#include "sql/call_statements.h"

namespace webhook_calls {
namespace {

bool is_lower_bound(const Filter& filter) { return filter.op == Operator::gt || filter.op == Operator::gte; }

void add_time_filters(Statement& statement, const CallQuery& query, bool lower, Sql column) {
  for (const Filter& filter : query.filters) {
    if (filter.field != CallField::created_at || is_lower_bound(filter) != lower) continue;
    statement.add(" AND ");
    add_condition(statement, Statement{column}, filter);
  }
}

/// What each bound of the times asks: the lower ones of `early`, the upper ones of `late`.
void add_times(Statement& statement, const ChunkScope& scope, Sql early, Sql late) {
  statement.add(early).add(">").bind(scope.cutoff);
  add_time_filters(statement, scope.query, true, early);
  add_time_filters(statement, scope.query, false, late);
}

void add_whole(Statement& statement, const ChunkScope& scope) { add_times(statement, scope, "k.min_at", "k.max_at"); }

/// All three, because an index can only be entered by the first id.
void add_chunk_ids(Statement& statement, const IdRange& ids) {
  statement.add(" AND k.first_id>=").bind(ids.first).add(" AND k.first_id<=").bind(ids.last);
  statement.add(" AND k.last_id<=").bind(ids.last);
}

/// The chunks that lie within, whole or partial: what a bound asks of a chunk's first record is then asked of its last.
void add_chunks(Statement& statement, const ChunkScope& scope, Sql index) {
  statement.add(" FROM webhook_call_chunks k FORCE INDEX (").add(index).add(") WHERE k.webhook_id=");
  statement.bind(scope.query.webhook_id);
  add_chunk_ids(statement, scope.ids);
  statement.add(" AND ");
  add_times(statement, scope, "k.max_at", "k.min_at");
}

/// The whole chunks: a row each, or one for each of the codes that the query filters by; `each_code`: for each of all
/// codes then.
void add_whole_chunks(Statement& statement, const ChunkScope& scope, bool each_code = false) {
  const auto codes = std::ranges::find(scope.query.filters, CallField::http_code, &Filter::field);
  const bool filtered = codes != scope.query.filters.end();
  statement.add(filtered    ? Sql{" FROM webhook_call_chunk_codes k FORCE INDEX (by_code) WHERE k.webhook_id="}
                : each_code ? Sql{" FROM webhook_call_chunk_codes k FORCE INDEX (PRIMARY) WHERE k.webhook_id="}
                            : Sql{" FROM webhook_call_chunks k FORCE INDEX (PRIMARY) WHERE k.webhook_id="});
  statement.bind(scope.query.webhook_id);
  if (filtered) {
    statement.add(" AND ");
    add_condition(statement, Statement{"k.http_code"}, *codes);
  }
  add_chunk_ids(statement, scope.ids);
  statement.add(" AND ");
  add_whole(statement, scope);
}

void add_direction(Statement& statement, ChunkOrder order) {
  if (order.descending) statement.add(" DESC");
}

}  // namespace

Statement select_sealed(std::uint64_t webhook_id) {
  Statement statement{"SELECT "};
  statement.add(kCutoffNow).add(",").add(kFirstLivingId).add(",").add(kLastSealedId).add(" FROM (SELECT ");
  return statement.bind(webhook_id).add(" AS id) w");
}

Statement select_next_code(std::uint64_t webhook_id, std::uint64_t least) {
  Statement statement{"SELECT c.http_code FROM webhook_calls c FORCE INDEX (by_code) WHERE c.webhook_id="};
  return statement.bind(webhook_id).add(" AND c.http_code>=").bind(least).add(" ORDER BY c.http_code LIMIT 1");
}

Statement sum_whole_chunks(const ChunkScope& scope) {
  Statement statement{"SELECT CAST(COALESCE(SUM(k.n),0) AS UNSIGNED)"};
  add_whole_chunks(statement, scope);
  return statement;
}

Statement sum_groups(const ChunkScope& scope, const ChunkChoice& choice) {
  Statement statement{"SELECT "};
  add_group(statement, scope.query.count_by, "k.min_at", "k.http_code");
  statement.add(",CAST(SUM(k.n) AS UNSIGNED)");
  add_whole_chunks(statement, scope, scope.query.count_by.codes != 0);
  if (!choice.all_but || !choice.first_ids.empty()) {
    statement.add(choice.all_but ? Sql{" AND k.first_id NOT IN "} : Sql{" AND k.first_id IN "});
    statement.bind_list(choice.first_ids);
  }
  return statement.add(" GROUP BY t,g LIMIT ").bind(kMaxSums + 1);
}

Statement select_whole_range(const ChunkScope& scope) {
  Statement statement{"SELECT MIN(k.first_id),MAX(k.last_id) FROM webhook_call_chunks k FORCE INDEX (by_time)"};
  statement.add(" WHERE k.webhook_id=").bind(scope.query.webhook_id).add(" AND ");
  add_whole(statement, scope);
  add_time_filters(statement, scope.query, false, "k.min_at");  // follows from max_at, and ends the range of the index
  return statement;
}

Statement select_crossing_chunks(const ChunkScope& scope) {
  const std::uint64_t seconds = scope.query.count_by.seconds;
  Statement statement{"SELECT k.first_id,k.last_id,TO_SECONDS(k.min_at),TO_SECONDS(k.max_at)"};
  statement.add(" FROM webhook_call_chunks k FORCE INDEX (PRIMARY) WHERE k.webhook_id=").bind(scope.query.webhook_id);
  add_chunk_ids(statement, scope.ids);
  statement.add(" AND ");
  add_whole(statement, scope);
  statement.add(" AND TO_SECONDS(k.min_at) DIV ").bind(seconds).add("<TO_SECONDS(k.max_at) DIV ").bind(seconds);
  return statement;
}

Statement select_partial_chunks(const ChunkScope& scope) {
  Statement statement{"SELECT k.first_id,k.last_id,k.min_at>"};
  statement.bind(scope.cutoff);
  add_time_filters(statement, scope.query, true, "k.min_at");
  statement.add(",TRUE");
  add_time_filters(statement, scope.query, false, "k.max_at");
  add_chunks(statement, scope, "by_time");  // without filters these are few, and the first there
  statement.add(" AND NOT (");
  add_whole(statement, scope);
  return statement.add(") ORDER BY k.first_id");
}

Statement select_chunks(const ChunkScope& scope) {
  Statement statement{"SELECT k.first_id,k.last_id,"};
  add_whole(statement, scope);
  add_chunks(statement, scope, "PRIMARY");
  return statement.add(" ORDER BY k.first_id");
}

Statement select_skip(const ChunkScope& scope, ChunkOrder order, std::uint64_t records) {
  // By time a chunk's records may lie among those of others: it is not passed before its own first one.
  const Sql passed = order.by_time ? Sql{"x.upto-x.n"} : Sql{"x.upto"};
  const Sql position = order.by_time      ? (order.descending ? Sql{"k.max_at"} : Sql{"k.min_at"})
                       : order.descending ? Sql{"k.first_id"}
                                          : Sql{"k.last_id"};
  Statement statement{"SELECT "};
  statement.add(order.descending ? Sql{"MIN"} : Sql{"MAX"}).add("(IF(").add(passed).add("<=").bind(records);
  statement.add(",x.position,NULL)),CAST(COALESCE(MAX(IF(").add(passed).add("<=").bind(records).add(",").add(passed);
  statement.add(",0)),0) AS UNSIGNED),CAST(COALESCE(MAX(").add(passed).add("),0) AS UNSIGNED) FROM (SELECT ");
  statement.add(position).add(" AS position,k.n,SUM(k.n) OVER (ORDER BY ").add(position);
  add_direction(statement, order);
  statement.add(") AS upto");
  add_whole_chunks(statement, scope);
  return statement.add(") x");
}

Statement select_reach(const ChunkScope& scope, ChunkOrder order, std::uint64_t records) {
  const Sql position = order.by_time      ? (order.descending ? Sql{"k.min_at"} : Sql{"k.max_at"})
                       : order.descending ? Sql{"k.first_id"}
                                          : Sql{"k.last_id"};
  Statement statement{"SELECT "};
  statement.add(order.descending ? Sql{"MAX"} : Sql{"MIN"});
  statement.add("(x.position) FROM (SELECT k.position,SUM(k.n) OVER (ORDER BY k.position");
  add_direction(statement, order);
  statement.add(") AS upto FROM (SELECT ").add(position).add(" AS position,k.n");
  add_whole_chunks(statement, scope);
  // Each row has a record at least. Chunks follow each other, so that their first ids are in the order of their last.
  statement.add(" ORDER BY ").add(order.by_time ? position : Sql{"k.first_id"});
  add_direction(statement, order);
  return statement.add(" LIMIT ").bind(records).add(") k) x WHERE x.upto>=").bind(records);
}

}  // namespace webhook_calls
