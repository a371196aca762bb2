#include "sql/call_store.h"

#include <utility>

#include "sql/call_counts.h"
#include "sql/call_rollup.h"

namespace webhook_calls {
namespace {

/// Empty where the chunks cannot tell.
std::optional<CallPage> list_by_chunks(MysqlSession& session, const CallQuery& query, Pages pages) {
  Snapshot snapshot{session};
  auto rollup = CallRollup::open(session, query);
  if (!rollup) return std::nullopt;
  CallPage page;
  if (query.count) page.totals.count = rollup->count();
  if (query.count_by.any()) page.totals.counts = list_counts(session, *rollup);
  const PlacedPage placed = query.page_size > 0 ? rollup->place_page() : PlacedPage{query};
  page.rows = read_page(session, std::move(snapshot), placed.query, placed.place, pages);
  return page;
}

}  // namespace

std::optional<Access> CallStore::find_access(const Reader& reader, std::uint64_t webhook_id) {
  if (const Access* known = cache_.find(reader, webhook_id, AccessCache::Clock::now())) return *known;
  return ask_for_access(reader, webhook_id);
}

std::optional<Access> CallStore::ask_for_access(const Reader& reader, std::uint64_t webhook_id) {
  const auto asked = AccessCache::Clock::now();
  MysqlResult result = session_.execute(select_access(reader, webhook_id));
  Access access;
  if (const auto* account = std::get_if<Account>(&reader)) access.account_id = account->id;
  if (!result.next()) {
    if (std::holds_alternative<TokenHash>(reader)) return std::nullopt;
    return access;
  }
  constexpr unsigned kAccount = 1, kId = 2, kName = 3, kUrl = 4, kFirst = 5, kLast = 6, kValid = 7;
  access.account_id = result.number(kAccount);
  access.has_chunks = !result.is_null(kLast);
  if (!result.is_null(kFirst)) {
    access.first_id = result.number(kFirst);
  } else if (access.has_chunks) {
    access.first_id = result.number(kLast) + 1;
  }
  if (!result.is_null(kId)) {
    access.webhook = Webhook{result.number(kId), result.text(kName), result.text(kUrl)};
    const std::chrono::microseconds valid{result.is_null(kValid) ? std::chrono::microseconds::max()
                                                                 : std::chrono::microseconds{result.number(kValid)}};
    cache_.insert(reader, webhook_id, access, asked, valid);
  }
  return access;
}

CallPage CallStore::list_calls(CallQuery query, const Access& access, Pages pages) {
  if (query.position) {  // the records next to the page are known by these
    for (const SortKey& key : query.sort) {
      if (row_of(key.field).attribute) query.fields.insert(key.field);
    }
  }
  if (access.has_chunks && CallRollup::helps(query)) {
    if (auto page = list_by_chunks(session_, query, pages)) return *std::move(page);
  }
  PagePlace place{.offset = query.offset()};
  if (access.first_id > 0) place.scope.ids = {{access.first_id}};
  CallPage page;
  std::optional<Snapshot> snapshot;
  if (query.count || query.count_by.any()) snapshot.emplace(session_);
  if (query.count) {
    MysqlResult counted = session_.execute(count_calls(query, {}));
    if (counted.next()) {
      page.totals.count = counted.number(1);
      place.scope.cutoff = counted.text(2);
    }
  }
  if (query.count_by.any()) {
    if (!query.count) {
      MysqlResult now = session_.execute(select_cutoff());
      if (now.next()) place.scope.cutoff = now.text(1);
    }
    page.totals.counts = list_counts(session_, query, place.scope.cutoff);
  }
  page.rows = read_page(session_, std::move(snapshot), query, place, pages);
  return page;
}

std::unique_ptr<CallRows> CallStore::find_call(const CallQuery& query, std::uint64_t call_id) {
  return read_call(session_, query, call_id);
}

void CallStore::reset() {
  forget_access();
  session_.disconnect();
}

}  // namespace webhook_calls
