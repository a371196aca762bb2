#include "sql/call_rollup.h"

#include <algorithm>
#include <utility>

namespace webhook_calls {
namespace {

/// A client's list has no more; every further code costs a statement.
constexpr std::size_t kMaxCodes = 100;
/// With more, times and ids of the webhook are in such disorder that counting by its records is as fast.
constexpr std::size_t kMaxPartial = 100;
constexpr std::size_t kMaxRuns = 32;

bool filters_by(const CallQuery& query, CallField field) {
  return std::ranges::find(query.filters, field, &Filter::field) != query.filters.end();
}

ChunkOrder chunk_order_of(const SortKey& key) { return {key.field == CallField::created_at, key.descending}; }

/// The index that serves the order would have to be sorted, all of it.
bool needs_sorting(const std::vector<SortKey>& order) {
  return order.front().field == CallField::created_at &&
         (order.size() > 2 || order.front().descending != order.back().descending);
}

bool accepts(const Filter& filter, std::uint64_t number) {
  if (filter.op == Operator::any_of)
    return std::ranges::find(filter.values, FilterValue{number}) != filter.values.end();
  const std::uint64_t bound = std::get<std::uint64_t>(filter.values.front());
  switch (filter.op) {
    case Operator::lt:
      return number < bound;
    case Operator::lte:
      return number <= bound;
    case Operator::gt:
      return number > bound;
    case Operator::gte:
    case Operator::any_of:
      break;
  }
  return number >= bound;
}

void add_time(CallQuery& query, Operator op, const std::string& time) {
  query.filters.push_back({.field = CallField::created_at, .op = op, .values = {time}});
}

}  // namespace

bool CallRollup::helps(const CallQuery& query) {
  const bool tells = std::ranges::all_of(query.filters, [&](const Filter& filter) {
    if (filter.values.empty() && !filter.or_null) return false;  // selects nothing
    if (filter.field == CallField::webhook_id) return accepts(filter, query.webhook_id);
    return filter.field == CallField::http_code ||
           (filter.field == CallField::created_at && filter.op != Operator::any_of);
  });
  if (!tells) return false;
  const std::vector<SortKey> order = total_order(query.sort);
  const bool by_id = order.front().field == CallField::id;
  if (query.count) return true;
  if (!by_id && order.front().field != CallField::created_at) return false;
  return query.offset() > kChunkRecords || filters_by(query, CallField::http_code) || needs_sorting(order) ||
         (by_id && !query.filters.empty());
}

std::optional<CallRollup> CallRollup::open(MysqlSession& session, const CallQuery& query, std::uint64_t first_id) {
  CallRollup rollup{session, query, first_id};
  MysqlResult sealed = session.execute(select_sealed(query.webhook_id));
  if (!sealed.next()) return std::nullopt;
  rollup.cutoff_ = sealed.text(1);
  rollup.tail_.first = sealed.number(2) + 1;
  if (sealed.number(2) == 0 || !rollup.replace_codes()) return std::nullopt;
  return rollup;
}

/// Writes the conditions on http_code as one list of codes that there are: by_code is then read only where they are.
bool CallRollup::replace_codes() {
  std::vector<Filter> conditions, others;
  for (const Filter& filter : query_.filters) {
    (filter.field == CallField::http_code ? conditions : others).push_back(filter);
  }
  if (conditions.empty()) return true;
  std::vector<FilterValue> values;
  const auto list = std::ranges::find(conditions, Operator::any_of, &Filter::op);
  if (list != conditions.end()) {
    values = list->values;
  } else {
    for (std::uint64_t least = 0; values.size() <= kMaxCodes; ++least) {
      MysqlResult next = session_.execute(select_next_code(query_.webhook_id, least));
      if (!next.next()) break;
      least = next.number(1);
      values.emplace_back(least);
    }
  }
  if (values.size() > kMaxCodes) return false;
  std::erase_if(values, [&](const FilterValue& code) {
    return !std::ranges::all_of(
        conditions, [&](const Filter& condition) { return accepts(condition, std::get<std::uint64_t>(code)); });
  });
  const bool or_null = std::ranges::all_of(conditions, &Filter::or_null);
  others.push_back({.field = CallField::http_code, .values = std::move(values), .or_null = or_null});
  query_.filters = std::move(others);
  return true;
}

std::uint64_t CallRollup::count(const CallQuery& query) {
  const std::vector<PartialChunk> partial = find_partial(query);
  if (partial.size() > kMaxPartial) return count_in(query, {});
  MysqlResult whole = session_.execute(sum_whole_chunks({query, cutoff_}));
  std::uint64_t records = whole.next() ? whole.number(1) : 0;
  for (const PartialChunk& chunk : partial) records += count_in(query, {chunk.ids});
  return records + count_in(query, {tail_});
}

std::uint64_t CallRollup::count_in(const CallQuery& query, const std::vector<IdRange>& ids) {
  MysqlResult counted = session_.execute(count_calls(query, {cutoff_, ids}));
  return counted.next() ? counted.number(1) : 0;
}

std::vector<CallRollup::PartialChunk> CallRollup::find_partial(const CallQuery& query) {
  MysqlResult result = session_.execute(select_partial_chunks({query, cutoff_}));
  constexpr unsigned kFirst = 1, kLast = 2, kBegins = 3, kEnds = 4;
  std::vector<PartialChunk> partial;
  while (result.next()) {
    partial.push_back(
        {{result.number(kFirst), result.number(kLast)}, result.number(kBegins) != 0, result.number(kEnds) != 0});
  }
  return partial;
}

/// The ids of the chunks that lie within the query's times: runs of neighbours, or from the first to the last one where
/// these are too many for a statement.
std::vector<IdRange> CallRollup::find_ids(const CallQuery& query) {
  MysqlResult chunks = session_.execute(select_chunks({query, cutoff_}));
  std::vector<IdRange> runs;
  while (chunks.next()) {
    const IdRange ids{chunks.number(1), chunks.number(2)};
    if (!runs.empty() && runs.back().last + 1 == ids.first) {
      runs.back().last = ids.last;
    } else {
      runs.push_back(ids);
    }
  }
  if (runs.size() > kMaxRuns) return {{runs.front().first, runs.back().last}};
  return runs;
}

PlacedPage CallRollup::place_page() {
  PlacedPage page{query_, {.scope = {cutoff_, {}}, .offset = query_.offset()}};
  const SortKey first = total_order(query_.sort).front();
  if (first.field == CallField::id) place_by_id(page, chunk_order_of(first));
  if (first.field == CallField::created_at) place_by_time(page, chunk_order_of(first));
  return page;
}

void CallRollup::place_by_id(PlacedPage& page, ChunkOrder order) {
  IdRange left{first_id_};  // where the page can still lie
  if (page.place.offset > kChunkRecords) skip_by_id(page, order, left);
  if (filters_by(query_, CallField::http_code)) {
    const std::uint64_t wanted = page.place.offset + query_.page_size + 1;
    MysqlResult reach = session_.execute(select_reach({query_, cutoff_, left}, order, wanted));
    if (reach.next() && !reach.is_null(1)) (order.descending ? left.first : left.last) = reach.number(1);
  }
  page.place.narrowed = true;
  page.place.scope.ids = {left};
  if (!filters_by(query_, CallField::created_at)) return;
  std::vector<IdRange> ids = find_ids(query_);
  ids.push_back(tail_);
  for (IdRange& range : ids) range = {std::max(left.first, range.first), std::min(left.last, range.last)};
  std::erase_if(ids, [](const IdRange& range) { return range.first > range.last; });
  if (!ids.empty()) page.place.scope.ids = std::move(ids);
}

/// Goes through whole chunks by their sums and through partial ones and the tail by their records, in turn.
void CallRollup::skip_by_id(PlacedPage& page, ChunkOrder order, IdRange& left) {
  std::uint64_t& offset = page.place.offset;
  std::vector<IdRange> counted;
  for (const PartialChunk& chunk : find_partial(query_)) counted.push_back(chunk.ids);
  if (counted.size() > kMaxPartial) return;
  counted.push_back(tail_);
  if (order.descending) {
    std::ranges::reverse(counted);
    counted.push_back({0, 0});  // no record: behind it are the chunks before the first partial one
  }
  const auto pass = [&](std::uint64_t position, std::uint64_t records) {
    offset -= records;
    if (order.descending) {
      left.last = position - 1;
    } else {
      left.first = position + 1;
    }
  };
  for (const IdRange& range : counted) {
    const bool is_tail = range.last == tail_.last;
    if (!is_tail || !order.descending) {
      const IdRange whole =
          order.descending ? IdRange{range.last + 1, left.last} : IdRange{left.first, range.first - 1};
      MysqlResult skip = session_.execute(select_skip({query_, cutoff_, whole}, order, offset));
      constexpr unsigned kPosition = 1, kPassed = 2, kAll = 3;
      if (!skip.next()) return;
      if (!skip.is_null(kPosition)) pass(skip.number(kPosition), skip.number(kPassed));
      if (skip.number(kPassed) < skip.number(kAll)) return;
    }
    if (range.last == 0 || (is_tail && !order.descending)) return;
    const std::uint64_t records = count_in(query_, {range});
    if (records > offset) return;
    pass(order.descending ? range.first : range.last, records);
  }
}

void CallRollup::place_by_time(PlacedPage& page, ChunkOrder order) {
  if (page.place.offset > kChunkRecords) skip_by_time(page, order);
  const bool has_codes = filters_by(query_, CallField::http_code);
  if (has_codes || needs_sorting(total_order(query_.sort))) {
    const std::uint64_t wanted = page.place.offset + query_.page_size + 1;
    MysqlResult reach = session_.execute(select_reach({page.query, cutoff_}, order, wanted));
    if (reach.next() && !reach.is_null(1)) {
      add_time(page.query, order.descending ? Operator::gte : Operator::lte, reach.text(1));
    }
  }
  if (!has_codes) return;
  page.place.scope.ids = find_ids(page.query);
  page.place.scope.ids.push_back(tail_);
}

/// Chunks only tell about how many records come before a point in time; these are then counted.
void CallRollup::skip_by_time(PlacedPage& page, ChunkOrder order) {
  constexpr int kAttempts = 3;
  std::uint64_t& offset = page.place.offset;
  std::uint64_t nearer = order.descending ? count_in(query_, {tail_}) : 0;
  for (const PartialChunk& chunk : find_partial(query_)) {
    if (!(order.descending ? chunk.ends_within : chunk.begins_within)) nearer += count_in(query_, {chunk.ids});
  }
  for (int attempt = 0; attempt < kAttempts && nearer < offset; ++attempt) {
    MysqlResult skip = session_.execute(select_skip({query_, cutoff_}, order, offset - nearer));
    if (!skip.next() || skip.is_null(1)) return;
    const std::string time = skip.text(1);
    CallQuery before = query_;
    add_time(before, order.descending ? Operator::gt : Operator::lt, time);
    const std::uint64_t passed = count(before);
    if (passed <= offset) {
      add_time(page.query, order.descending ? Operator::lte : Operator::gte, time);
      offset -= passed;
      return;
    }
    nearer += passed - offset;
  }
}

}  // namespace webhook_calls
