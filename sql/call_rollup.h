#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sql/call_query.h"
#include "sql/call_statements.h"
#include "sql/chunk_statements.h"
#include "sql/mysql_session.h"

namespace webhook_calls {

/// A page, as its statement has to ask for it: with what chunks told added to the query's filters, and its place.
struct PlacedPage {
  CallQuery query{};
  PagePlace place{};
};

/// Tells by the chunks of a webhook what would take long by its records: how many of them a query selects, and where
/// its page lies. What lies in partial chunks, and in the tail behind the last one, is counted by its records, a
/// chunk's worth at a time. Its functions throw DatabaseError, and all must run in one snapshot of the session.
class CallRollup {
 public:
  /// Whether chunks can help with the query at all.
  [[nodiscard]] static bool helps(const CallQuery& query);

  /// Empty: the webhook has no chunks, or too many different codes.
  [[nodiscard]] static std::optional<CallRollup> open(MysqlSession& session, const CallQuery& query);

  /// How many records the query selects.
  [[nodiscard]] std::uint64_t count() { return count(query_); }

  [[nodiscard]] PlacedPage place_page();

  struct PartialChunk {
    IdRange ids{};
    bool begins_within = false;  ///< its first record in time is not too early
    bool ends_within = false;    ///< its last one is not too late
  };

  /// With more, times and ids of the webhook are in such disorder that counting by its records is as fast.
  static constexpr std::size_t kMaxPartial = 32;
  [[nodiscard]] std::vector<PartialChunk> find_partial() { return find_partial(query_); }

  [[nodiscard]] const CallQuery& query() const { return query_; }
  [[nodiscard]] const std::string& cutoff() const { return cutoff_; }
  [[nodiscard]] const IdRange& tail() const { return tail_; }

 private:
  struct Runs {
    std::vector<IdRange> ids{};
    bool in_order = true;  ///< their records are mostly those of the query's times
  };

  CallRollup(MysqlSession& session, CallQuery query) : session_(session), query_(std::move(query)) {}

  [[nodiscard]] bool list_codes();
  [[nodiscard]] std::uint64_t count(const CallQuery& query);
  [[nodiscard]] std::uint64_t count_in(const CallQuery& query, const std::vector<IdRange>& ids);
  [[nodiscard]] std::vector<PartialChunk> find_partial(const CallQuery& query);
  void place_by_id(PlacedPage& page, ChunkOrder order);
  void place_by_time(PlacedPage& page, ChunkOrder order);
  void skip_by_id(PlacedPage& page, ChunkOrder order, IdRange& left);
  void skip_by_time(PlacedPage& page, ChunkOrder order);
  [[nodiscard]] Runs find_runs(const CallQuery& query);

  MysqlSession& session_;
  CallQuery query_;             ///< all that it asks of http_code is one list
  std::string cutoff_{};        ///< now, and so past whatever a purge can have deleted in the snapshot
  std::uint64_t first_id_ = 0;  ///< records with lower ids have expired
  IdRange tail_{};              ///< the ids behind the last chunk
};

}  // namespace webhook_calls
