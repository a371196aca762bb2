#include "sql/call_rollup.h"

#include <algorithm>
#include <utility>

#include "sql/call_conditions.h"
#include "sql/call_order.h"

namespace webhook_calls {
namespace {

/// A client's list has no more; every further code costs a statement.
constexpr std::size_t kMaxCodes = 100;
constexpr std::size_t kMaxRuns = 32;
/// A time's bounds cut a chunk or two each; more, beside the whole ones, is disorder too.
constexpr std::size_t kUsualPartial = 4;
constexpr IdRange kNowhere{0, 0};  ///< no record has this id

ChunkOrder chunk_order_of(const SortKey& key) { return {key.field == CallField::created_at, key.descending}; }

/// The index that serves the order would have to be sorted, all of it.
bool needs_sorting(const std::vector<SortKey>& order) {
  return order.front().field == CallField::created_at &&
         (order.size() > 2 || order.front().descending != order.back().descending);
}

void add_time(CallQuery& query, Operator op, const std::string& time) {
  query.filters.push_back({.field = CallField::created_at, .op = op, .values = {time}});
}

}  // namespace

bool CallRollup::helps(const CallQuery& query) {
  const bool tells = std::ranges::all_of(query.filters, [&](const Filter& filter) {
    if (filter.op != Operator::none_of && filter.values.empty() && !filter.or_null) return false;  // selects nothing
    if (filter.field == CallField::webhook_id) return accepts(filter, query.webhook_id);
    return filter.field == CallField::http_code ||
           (filter.field == CallField::created_at && filter.op != Operator::any_of);
  });
  if (!tells) return false;
  const std::vector<SortKey> order = reading_order(query);
  const bool by_id = order.front().field == CallField::id;
  if (query.count || query.count_by.any()) return true;
  if (!by_id && order.front().field != CallField::created_at) return false;
  return query.offset() > kChunkRecords || query.filters_by(CallField::http_code) || needs_sorting(order) ||
         (by_id && query.filters_by(CallField::created_at));
}

std::optional<CallRollup> CallRollup::open(MysqlSession& session, const CallQuery& query) {
  CallRollup rollup{session, query};
  MysqlResult sealed = session.execute(select_sealed(query.webhook_id));
  constexpr unsigned kCutoff = 1, kFirst = 2, kLast = 3;
  if (!sealed.next() || sealed.is_null(kLast)) return std::nullopt;
  rollup.cutoff_ = sealed.text(kCutoff);
  rollup.tail_.first = sealed.number(kLast) + 1;
  rollup.first_id_ = sealed.is_null(kFirst) ? rollup.tail_.first : sealed.number(kFirst);
  if (!rollup.list_codes()) return std::nullopt;
  return rollup;
}

/// Writes the conditions on http_code as one list of codes that there are: by_code is then read only where they are.
/// False: these are too many.
bool CallRollup::list_codes() {
  std::vector<Filter> conditions, others;
  for (const Filter& filter : query_.filters) {
    (filter.field == CallField::http_code ? conditions : others).push_back(filter);
  }
  if (conditions.empty()) return true;
  std::vector<FilterValue> values;
  const auto list = std::ranges::find_if(conditions, [](const Filter& filter) {
    return filter.op == Operator::any_of && std::ranges::none_of(filter.values, [](const FilterValue& value) {
             return std::holds_alternative<CodeClass>(value);
           });
  });
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
  const bool or_null = std::ranges::all_of(conditions, accepts_null);
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

/// Where the records of the query's times can be among the sealed ones: runs of chunks that touch these times, or from
/// the first to the last one where there are too many runs for a statement. (A hole between chunks has no records.)
CallRollup::Runs CallRollup::find_runs(const CallQuery& query) {
  MysqlResult chunks = session_.execute(select_chunks({query, cutoff_}));
  Runs runs;
  std::size_t whole = 0, partial = 0;
  while (chunks.next()) {
    const IdRange ids{chunks.number(1), chunks.number(2)};
    ++(chunks.number(3) != 0 ? whole : partial);
    if (!runs.ids.empty() && runs.ids.back().last + 1 == ids.first) {
      runs.ids.back().last = ids.last;
    } else {
      runs.ids.push_back(ids);
    }
  }
  runs.in_order = runs.ids.size() <= kMaxRuns && partial <= whole + kUsualPartial;
  if (runs.ids.size() > kMaxRuns) runs.ids = {{runs.ids.front().first, runs.ids.back().last}};
  return runs;
}

PlacedPage CallRollup::place_page() {
  PlacedPage page{query_, {.scope = {cutoff_, {{first_id_}}}, .offset = query_.offset()}};
  const SortKey first = reading_order(query_).front();
  if (first.field == CallField::id) place_by_id(page, chunk_order_of(first));
  if (first.field == CallField::created_at) place_by_time(page, chunk_order_of(first));
  return page;
}

void CallRollup::place_by_id(PlacedPage& page, ChunkOrder order) {
  IdRange left{first_id_};  // where the page can still lie
  if (query_.position && !query_.position->values.empty()) {
    const auto id = std::get<std::uint64_t>(*query_.position->values.back());
    (order.descending ? left.last : left.first) = order.descending ? id - 1 : id + 1;
  }
  if (page.place.offset > kChunkRecords) skip_by_id(page, order, left);
  if (query_.filters_by(CallField::http_code)) {
    const std::uint64_t wanted = page.place.offset + query_.page_size + 1;
    MysqlResult reach = session_.execute(select_reach({query_, cutoff_, left}, order, wanted));
    if (reach.next() && !reach.is_null(1)) (order.descending ? left.first : left.last) = reach.number(1);
  }
  page.place.scope.ids = {left};
  if (!query_.filters_by(CallField::created_at)) return;
  Runs runs = find_runs(query_);
  page.place.narrowed = runs.in_order;
  runs.ids.push_back(tail_);
  for (IdRange& range : runs.ids) range = {std::max(left.first, range.first), std::min(left.last, range.last)};
  std::erase_if(runs.ids, [](const IdRange& range) { return range.first > range.last; });
  // Where the tail comes last, the page is mostly full before it.
  const bool begins_in_tail = order.descending && !runs.ids.empty() && runs.ids.back().last >= tail_.first;
  if (begins_in_tail && count_in(query_, {runs.ids.back()}) == 0) runs.ids.pop_back();
  if (runs.ids.empty()) runs.ids.push_back(kNowhere);
  page.place.scope.ids = std::move(runs.ids);
}

/// Goes through whole chunks by their sums, and through partial ones and the tail by counting their records, in turn.
void CallRollup::skip_by_id(PlacedPage& page, ChunkOrder order, IdRange& left) {
  std::uint64_t& offset = page.place.offset;
  std::vector<IdRange> counted;
  for (const PartialChunk& chunk : find_partial()) counted.push_back(chunk.ids);
  if (counted.size() > kMaxPartial) return;
  counted.push_back(tail_);
  if (order.descending) {
    std::ranges::reverse(counted);
    counted.push_back(kNowhere);  // below all partial chunks
  }
  const auto move_behind = [&](std::uint64_t id, std::uint64_t records) {
    offset -= records;
    (order.descending ? left.last : left.first) = order.descending ? id - 1 : id + 1;
  };
  for (const IdRange& range : counted) {
    if (range != tail_ || !order.descending) {  // there are whole chunks before it, perhaps
      const IdRange whole =
          order.descending ? IdRange{range.last + 1, left.last} : IdRange{left.first, range.first - 1};
      MysqlResult skip = session_.execute(select_skip({query_, cutoff_, whole}, order, offset));
      constexpr unsigned kId = 1, kPassed = 2, kAll = 3;
      if (!skip.next()) return;
      if (!skip.is_null(kId)) move_behind(skip.number(kId), skip.number(kPassed));
      if (skip.number(kPassed) < skip.number(kAll)) return;
    }
    if (range == kNowhere || (range == tail_ && !order.descending)) return;
    const std::uint64_t records = count_in(query_, {range});
    if (records > offset) return;
    move_behind(order.descending ? range.first : range.last, records);
  }
}

void CallRollup::place_by_time(PlacedPage& page, ChunkOrder order) {
  const bool beside_a_record = query_.position && !query_.position->values.empty();
  const std::string beside = beside_a_record ? std::get<std::string>(*query_.position->values.front()) : "";
  if (beside_a_record) add_time(page.query, order.descending ? Operator::lte : Operator::gte, beside);
  if (page.place.offset > kChunkRecords) skip_by_time(page, order);
  const bool has_codes = query_.filters_by(CallField::http_code);
  if (has_codes || needs_sorting(reading_order(query_))) {
    const std::uint64_t wanted = page.place.offset + query_.page_size + 1;
    CallQuery behind = page.query;  // of the records of the position's own time some come before it
    if (beside_a_record) add_time(behind, order.descending ? Operator::lt : Operator::gt, beside);
    MysqlResult reach = session_.execute(select_reach({behind, cutoff_}, order, wanted));
    if (reach.next() && !reach.is_null(1)) {
      add_time(page.query, order.descending ? Operator::gte : Operator::lte, reach.text(1));
    }
  }
  if (!has_codes) {
    page.place.scope.ids.clear();  // by_created has no use for them
  } else if (page.query.filters_by(CallField::created_at)) {
    page.place.scope.ids = find_runs(page.query).ids;
    page.place.scope.ids.push_back(tail_);
  }
}

/// Chunks only tell about how many records come before a point in time; these are then counted. Where they are too
/// many, the next attempt aims lower by as many.
void CallRollup::skip_by_time(PlacedPage& page, ChunkOrder order) {
  constexpr int kAttempts = 3;
  std::uint64_t& offset = page.place.offset;
  const std::vector<PartialChunk> partial = find_partial();
  if (partial.size() > kMaxPartial) return;
  std::uint64_t untold = order.descending ? count_in(query_, {tail_}) : 0;
  for (const PartialChunk& chunk : partial) {
    if (!(order.descending ? chunk.ends_within : chunk.begins_within)) untold += count_in(query_, {chunk.ids});
  }
  for (int attempt = 0; attempt < kAttempts && untold < offset; ++attempt) {
    MysqlResult skip = session_.execute(select_skip({query_, cutoff_}, order, offset - untold));
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
    untold += passed - offset;
  }
}

}  // namespace webhook_calls
