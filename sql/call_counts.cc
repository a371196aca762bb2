#include "sql/call_counts.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "sql/call_statements.h"
#include "sql/chunk_statements.h"
#include "sql/instant.h"

namespace webhook_calls {
namespace {

/// Where more are counted, a statement could take too long.
constexpr std::uint64_t kRecordsAtOnce = 1'000'000;
/// Where more chunks than these lie at the same time, their times are in disorder.
constexpr std::uint64_t kUsualDepth = 4;

std::string sql_time(std::uint64_t seconds) {
  constexpr std::int64_t kUntil1970 = 62'167'219'200;  // from the year 0 on, as TO_SECONDS() counts
  constexpr std::int64_t kMilliseconds = 1000;
  return to_sql_datetime((static_cast<std::int64_t>(seconds) - kUntil1970) * kMilliseconds);
}

struct Group {
  std::uint64_t bucket = 0;
  std::optional<std::uint64_t> code{};
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the 0 in a made operator for a pointer
  friend auto operator<=>(const Group&, const Group&) = default;
};

/// A whole chunk that lies in several buckets, and the first and the last second of its records.
struct CrossingChunk {
  IdRange ids{};
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

/// Whether many of the chunks lie at the same time.
bool in_disorder(const std::vector<CrossingChunk>& chunks) {
  std::uint64_t first = UINT64_MAX, last = 0, seconds = 0;
  for (const CrossingChunk& chunk : chunks) {
    first = std::min(first, chunk.first);
    last = std::max(last, chunk.last);
    seconds += chunk.last - chunk.first;
  }
  return chunks.size() > CallRollup::kMaxPartial && seconds > kUsualDepth * (last - first);
}

class Counter {
 public:
  Counter(MysqlSession& session, const CallQuery& query, std::string cutoff)
      : session_(session), query_(query), by_(query.count_by), cutoff_(std::move(cutoff)) {}

  void count_records(const std::vector<IdRange>& ids) { add(count_groups(query_, {cutoff_, ids})); }

  /// Not all in one statement, but a week at a time, or as far as no more than the allowed groups can reach.
  void count_in_slices();

  /// False, and nothing is counted: counting the records is faster.
  [[nodiscard]] bool count_by_chunks(CallRollup& rollup);

  [[nodiscard]] std::vector<CallCount> take() const;

 private:
  template <typename Use>
  void each_group(const Statement& statement, Use use);
  void add(const Statement& statement) {
    each_group(statement, [&](const Group& group, std::int64_t n) { numbers_[group] += n; });
  }

  void find_whole_chunks();
  [[nodiscard]] std::vector<CrossingChunk> find_crossing();
  void move_sums_on(std::span<const BindValue> first_ids);
  void count_less_of(const CrossingChunk& chunk);

  [[nodiscard]] std::uint64_t count_all() const;
  [[nodiscard]] std::uint64_t bucket_of(std::uint64_t second) const { return second / by_.seconds; }
  [[nodiscard]] std::uint64_t boundary_of(const CrossingChunk& chunk) const {
    return bucket_of(chunk.last) * by_.seconds;
  }
  /// Of one that lies in two buckets.
  [[nodiscard]] bool is_mostly_late(const CrossingChunk& chunk) const {
    return boundary_of(chunk) - chunk.first < chunk.last - boundary_of(chunk);
  }

  MysqlSession& session_;
  const CallQuery& query_;
  const CountBy by_;
  const std::string cutoff_;
  IdRange whole_{};  ///< where the whole chunks are
  std::map<Group, std::int64_t> numbers_{};
};

/// Calls `use` with each group of a result of count_groups(), and its number.
template <typename Use>
void Counter::each_group(const Statement& statement, Use use) {
  MysqlResult result = session_.execute(statement);
  constexpr unsigned kBucket = 1, kCode = 2, kNumber = 3;
  while (result.next()) {
    Group group{.bucket = result.number(kBucket)};
    if (!result.is_null(kCode)) group.code = result.number(kCode);
    use(group, static_cast<std::int64_t>(result.number(kNumber)));
  }
}

/// For a day among many, the sums of all days' chunks would take longer than all else.
void Counter::find_whole_chunks() {
  if (!query_.filters_by(CallField::created_at)) return;
  MysqlResult range = session_.execute(select_whole_range({query_, cutoff_}));
  if (range.next()) whole_ = {range.number(1), range.number(2)};
}

std::vector<CrossingChunk> Counter::find_crossing() {
  std::vector<CrossingChunk> crossing;
  if (by_.seconds == 0) return crossing;
  MysqlResult chunks = session_.execute(select_crossing_chunks({query_, cutoff_, whole_}));
  constexpr unsigned kFirstId = 1, kLastId = 2, kFirst = 3, kLast = 4;
  while (chunks.next()) {
    crossing.push_back(
        {{chunks.number(kFirstId), chunks.number(kLastId)}, chunks.number(kFirst), chunks.number(kLast)});
  }
  return crossing;
}

/// One in more than two buckets is counted by its records. The sums have one in two buckets in that of its first
/// record, and those of its records are counted that are in the smaller part.
bool Counter::count_by_chunks(CallRollup& rollup) {
  std::vector<CrossingChunk> in_two;
  std::vector<BindValue> mostly_late, in_more;
  std::vector<IdRange> counted;
  find_whole_chunks();
  for (const CrossingChunk& chunk : find_crossing()) {
    if (bucket_of(chunk.last) > bucket_of(chunk.first) + 1) {
      in_more.emplace_back(chunk.ids.first);
      counted.push_back(chunk.ids);
      continue;
    }
    in_two.push_back(chunk);
    if (is_mostly_late(chunk)) mostly_late.emplace_back(chunk.ids.first);
  }
  for (const CallRollup::PartialChunk& chunk : rollup.find_partial()) counted.push_back(chunk.ids);
  if (counted.size() > CallRollup::kMaxPartial || in_two.size() > kMaxCounts || in_disorder(in_two)) return false;

  add(sum_groups({query_, cutoff_, whole_}, {.all_but = true, .first_ids = in_more}));
  if (numbers_.size() > kMaxSums) return true;  // too many groups, whatever is moved between them
  const std::uint64_t by_record = (in_more.size() + in_two.size() / 4) * kChunkRecords;  // a quarter, on average
  if (by_record > (count_all() + in_more.size() * kChunkRecords) / 2) {
    numbers_.clear();
    return false;
  }
  counted.push_back(rollup.tail());
  count_records(counted);
  move_sums_on(mostly_late);
  for (const CrossingChunk& chunk : in_two) count_less_of(chunk);
  return true;
}

std::uint64_t Counter::count_all() const {
  std::int64_t all = 0;
  for (const auto& [group, n] : numbers_) all += n;
  return static_cast<std::uint64_t>(all);
}

/// Out of the bucket of the chunks' first records, and into the next one.
void Counter::move_sums_on(std::span<const BindValue> first_ids) {
  if (first_ids.empty()) return;
  each_group(sum_groups({query_, cutoff_, whole_}, {.first_ids = first_ids}), [&](const Group& group, std::int64_t n) {
    numbers_[group] -= n;
    numbers_[{group.bucket + 1, group.code}] += n;
  });
}

void Counter::count_less_of(const CrossingChunk& chunk) {
  const bool late = is_mostly_late(chunk);
  const CallSpan early{chunk.ids, sql_time(chunk.first), sql_time(boundary_of(chunk))};
  const CallSpan rest{chunk.ids, sql_time(boundary_of(chunk)), sql_time(chunk.last + 1)};
  const std::uint64_t from = bucket_of(late ? chunk.last : chunk.first);
  const std::uint64_t to = bucket_of(late ? chunk.first : chunk.last);
  CallQuery by_code = query_;
  by_code.count_by.seconds = 0;
  each_group(count_groups(by_code, {cutoff_, {}, late ? early : rest}), [&](const Group& group, std::int64_t n) {
    numbers_[{from, group.code}] -= n;
    numbers_[{to, group.code}] += n;
  });
}

void Counter::count_in_slices() {
  constexpr std::uint64_t kWeek = std::uint64_t{7} * 24 * 3600;
  const std::uint64_t buckets = std::min(kMaxCounts + 1, kWeek / by_.seconds);
  std::string from = cutoff_;
  while (numbers_.size() <= kMaxCounts) {
    MysqlResult next = session_.execute(select_next_second(query_.webhook_id, from));
    if (!next.next()) return;
    const std::uint64_t first = bucket_of(next.number(1));
    const std::string until = sql_time((first + buckets) * by_.seconds);
    if (until <= from) return;  // the last one that there is
    add(count_groups(query_, {cutoff_, {}, CallSpan{{}, from, until}}));
    from = until;
  }
}

std::vector<CallCount> Counter::take() const {
  std::vector<CallCount> counts;
  for (const auto& [group, n] : numbers_) {
    if (n == 0) continue;
    CallCount& count = counts.emplace_back();
    if (by_.seconds != 0) count.created_at = rfc3339_from_sql(sql_time(group.bucket * by_.seconds));
    if (group.code) count.code = *group.code * by_.codes;
    count.count = static_cast<std::uint64_t>(n);
  }
  if (by_.code_first) std::ranges::stable_sort(counts, {}, &CallCount::code);
  return counts;
}

}  // namespace

std::vector<CallCount> list_counts(MysqlSession& session, const CallQuery& query, const std::string& cutoff) {
  Counter counter{session, query, cutoff};
  counter.count_records({});
  return counter.take();
}

std::vector<CallCount> list_counts(MysqlSession& session, CallRollup& rollup) {
  const CallQuery& query = rollup.query();
  Counter counter{session, query, rollup.cutoff()};
  if (counter.count_by_chunks(rollup)) return counter.take();
  if (query.count_by.seconds == 0 || rollup.count() <= kRecordsAtOnce) {
    counter.count_records({});
  } else {
    counter.count_in_slices();
  }
  return counter.take();
}

}  // namespace webhook_calls
