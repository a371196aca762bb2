#include "sql/call_statements.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sql/call_conditions.h"
#include "sql/call_order.h"

namespace webhook_calls {
namespace {

/// Aliases for the sort keys inside a deferred join; no field stands twice in a sort.
constexpr std::array<Sql, kCallFields.size()> kKeyNames{"k1", "k2", "k3", "k4", "k5", "k6"};

struct Index {
  Sql name;
  bool sorted_by_id = false;  ///< within one webhook
};
constexpr Index kPrimary{"PRIMARY", true};
constexpr Index kByCreated{"by_created", false};
constexpr Index kByCode{"by_code", false};

constexpr std::array kContents{CallField::headers, CallField::body};

/// The index that narrows the rows most, by the filters alone; nullptr where they name none.
const Index* index_of_filters(const CallQuery& query) {
  if (query.narrowed_by(CallField::id)) return &kPrimary;
  if (query.narrowed_by(CallField::http_code)) return &kByCode;
  if (query.narrowed_by(CallField::created_at)) return &kByCreated;
  return nullptr;
}

const Index& index_of_page(const CallQuery& query, const std::vector<SortKey>& order, bool narrowed) {
  const Index* index = index_of_filters(query);
  if (narrowed && index == &kByCreated && order.front().field == CallField::id) return kPrimary;
  if (index != nullptr) return *index;
  if (order.front().field == CallField::created_at) return kByCreated;
  if (order.front().field == CallField::http_code) return kByCode;
  return kPrimary;
}

const Index& index_of_count(const CallQuery& query, const CallScope& scope) {
  const Index* index = index_of_filters(query);
  if (scope.span) return kByCreated;
  if (!scope.ids.empty() && index != &kByCode) return kPrimary;
  if (index != nullptr) return *index;
  const bool reads_rows = query.filters_by(CallField::headers) || query.filters_by(CallField::body);
  return reads_rows ? kPrimary : kByCreated;
}

/// What is computed has a short name, because both sides handle the names with each result.
void add_columns(Statement& statement, const CallQuery& query) {
  const FieldSet fields = query.fields;
  statement.add("c.id");
  if (fields.has(CallField::http_code)) statement.add(",c.http_code");
  // As a text: the connector takes six times as long as the server to make one.
  if (fields.has(CallField::created_at)) statement.add(",CAST(c.created_at AS CHAR) AS t");
  if (!fields.has_contents()) return;
  bool first = true;
  for (const CallField field : kContents) {
    if (!fields.has(field)) continue;
    statement.add(std::exchange(first, false) ? Sql{","} : Sql{"+"});
    statement.add("COALESCE(LENGTH(").add(column_of(field, query)).add("),0)");
  }
  statement.add(" AS s");
  for (const CallField field : kContents) {
    if (!fields.has(field)) continue;
    const Statement column = column_of(field, query);
    statement.add(",IF(LENGTH(").add(column).add(")<=").bind(inline_bytes(query.page_size));
    statement.add(",").add(column).add(",NULL)");
    statement.add(field == CallField::headers ? Sql{" AS h"} : Sql{" AS b"});
  }
}

void add_limit(Statement& statement, const CallQuery& query, std::uint64_t offset) {
  statement.add(" LIMIT ").bind(query.page_size + 1).add(" OFFSET ").bind(offset);
}

void add_source(Statement& statement, const Index& index, const CallQuery& query, const CallScope& scope) {
  statement.add(" FROM webhook_calls c FORCE INDEX (").add(index.name).add(")");
  add_conditions(statement, query, scope);
}

/// Finds, sorts and skips on the ids in a covering index, and reads headers and bodies for the page's ids alone. The
/// outer ORDER BY names columns of the first table only, so that the few ids are sorted again and not the rows.
Statement select_deferred(const CallQuery& query, const PagePlace& place, const Index& index,
                          const std::vector<SortKey>& order) {
  Statement statement{"SELECT STRAIGHT_JOIN "};
  add_columns(statement, query);
  statement.add(" FROM (SELECT c.id");
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    statement.add(",");
    add_sort_value(statement, order[i].field, query);
    statement.add(" AS ").add(kKeyNames.at(i));
  }
  add_source(statement, index, query, place.scope);
  add_position(statement, query, order);
  add_order(statement, order, query);
  add_limit(statement, query, place.offset);
  statement.add(") p JOIN webhook_calls c FORCE INDEX (PRIMARY) ON c.webhook_id=").bind(query.webhook_id);
  statement.add(" AND c.id=p.id ORDER BY ");
  const std::vector<SortKey> shown = total_order(query.sort);
  for (std::size_t i = 0; i + 1 < shown.size(); ++i) {
    statement.add("p.").add(kKeyNames.at(i));
    add_direction(statement, shown[i]);
    statement.add(",");
  }
  statement.add("p.id");
  add_direction(statement, shown.back());
  return statement;
}

}  // namespace

Statement select_access(const Reader& reader, std::uint64_t webhook_id) {
  constexpr Sql kColumns{".account_id,w.id,w.name,w.url,"};
  Statement statement{"SELECT "};
  if (const auto* token = std::get_if<TokenHash>(&reader)) {
    statement.add("t").add(kColumns).add(kFirstLivingId).add(",").add(kLastSealedId);
    statement.add(",TIMESTAMPDIFF(MICROSECOND,UTC_TIMESTAMP(6),t.expires_at)");
    statement.add(" FROM api_tokens t LEFT JOIN webhooks w ON w.account_id=t.account_id AND w.id=").bind(webhook_id);
    statement.add(" WHERE t.token_hash=UNHEX(").bind(token->hex);
    return statement.add(") AND (t.expires_at IS NULL OR t.expires_at>UTC_TIMESTAMP(3))");
  }
  statement.add("w").add(kColumns).add(kFirstLivingId).add(",").add(kLastSealedId).add(",NULL");
  statement.add(" FROM webhooks w WHERE w.id=").bind(webhook_id);
  if (const auto* account = std::get_if<Account>(&reader)) statement.add(" AND w.account_id=").bind(account->id);
  return statement;
}

Statement select_page(const CallQuery& query, const PagePlace& place) {
  const std::vector<SortKey> order = reading_order(query);
  const Index& index = index_of_page(query, order, place.narrowed);
  const bool reads_only_the_page = index.sorted_by_id && order.front().field == CallField::id && place.offset == 0;
  const bool backwards = query.position && query.position->before;
  if (backwards || (query.fields.has_contents() && !reads_only_the_page)) {
    return select_deferred(query, place, index, order);
  }
  Statement statement{"SELECT "};
  add_columns(statement, query);
  add_source(statement, index, query, place.scope);
  add_position(statement, query, order);
  add_order(statement, order, query);
  add_limit(statement, query, place.offset);
  return statement;
}

Statement select_call(const CallQuery& query, std::uint64_t call_id) {
  Statement statement{"SELECT "};
  add_columns(statement, query);
  add_source(statement, kPrimary, query, {});
  return statement.add(" AND c.id=").bind(call_id);
}

Statement select_contents(const CallQuery& query, FieldSet fields, std::span<const BindValue> call_ids,
                          std::uint64_t offset) {
  Statement statement{"SELECT c.id"};
  for (const CallField field : kContents) {
    if (!fields.has(field)) continue;
    statement.add(",SUBSTRING(").add(column_of(field, query));
    statement.add(",").bind(offset + 1).add(",").bind(kPortionBytes).add(")");
  }
  statement.add(" FROM webhook_calls c FORCE INDEX (PRIMARY) WHERE c.webhook_id=").bind(query.webhook_id);
  return statement.add(" AND c.id IN ").bind_list(call_ids);
}

Statement count_calls(const CallQuery& query, const CallScope& scope) {
  Statement statement{"SELECT COUNT(*),"};
  statement.add(kCutoffNow);
  add_source(statement, index_of_count(query, scope), query, scope);
  return statement;
}

Statement select_cutoff() { return Statement{"SELECT "}.add(kCutoffNow); }

Statement count_groups(const CallQuery& query, const CallScope& scope) {
  Statement statement{"SELECT "};
  add_group(statement, query.count_by, "c.created_at", "c.http_code");
  statement.add(",COUNT(*)");
  add_source(statement, index_of_count(query, scope), query, scope);
  return statement.add(" GROUP BY t,g LIMIT ").bind(kMaxCounts + 1);
}

Statement select_next_second(std::uint64_t webhook_id, const std::string& from) {
  Statement statement{"SELECT TO_SECONDS(c.created_at) FROM webhook_calls c FORCE INDEX (by_created)"};
  statement.add(" WHERE c.webhook_id=").bind(webhook_id).add(" AND c.created_at>=").bind(from);
  return statement.add(" ORDER BY c.created_at LIMIT 1");
}

}  // namespace webhook_calls
