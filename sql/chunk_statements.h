#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "sql/call_query.h"
#include "sql/statement.h"

/// The statements about chunks (sql/migrations/0003_call_chunks.sql). Of a chunk all records are selected where its
/// min_at and max_at lie within the query's times and past the cutoff (it is whole), none where both lie outside, and
/// else some (it is partial). Numbers of records are those of the codes that the query filters by.
namespace webhook_calls {

/// The records of a chunk when it is sealed (sql/routines.sql); a few more where some were in flight.
inline constexpr std::uint64_t kChunkRecords = 4096;

/// What of a query chunks are asked for.
struct ChunkScope {
  const CallQuery& query;
  std::string cutoff;  ///< records created then or before have expired
  IdRange ids{};       ///< only chunks that lie in it with all of their ids
};

/// Columns: the cutoff now; kFirstLivingId and kLastSealedId of the webhook.
[[nodiscard]] Statement select_sealed(std::uint64_t webhook_id);

/// Column: the lowest http_code from `least` on that a record of the webhook has. No row: there is none.
[[nodiscard]] Statement select_next_code(std::uint64_t webhook_id, std::uint64_t least);

/// Column: the number of records in whole chunks.
[[nodiscard]] Statement sum_whole_chunks(const ChunkScope& scope);

/// Columns: the first id of the first whole chunk and the last id of the last one; NULL where there are none.
[[nodiscard]] Statement select_whole_range(const ChunkScope& scope);

/// Which of the whole chunks, by their first ids.
struct ChunkChoice {
  bool all_but = false;  ///< all but these
  std::span<const BindValue> first_ids{};
};

/// More sums than these are those of more than kMaxCounts groups: of chunks that lie in two buckets at most, a group
/// has records in two sums at most.
inline constexpr std::size_t kMaxSums = 2 * kMaxCounts;

/// The numbers of records in whole chunks, in the groups that the query counts by, as if all of a chunk's records had
/// been made when its first one was; kMaxSums and one more at most. Columns: those of count_groups().
[[nodiscard]] Statement sum_groups(const ChunkScope& scope, const ChunkChoice& choice);

/// The whole chunks with records in more than one of the query's buckets. Columns: first and last id; when its first
/// and its last record in time were made, in seconds after the year 0.
[[nodiscard]] Statement select_crossing_chunks(const ChunkScope& scope);

/// Columns: first and last id; whether its first, and whether its last record in time lies within. In the order of ids.
[[nodiscard]] Statement select_partial_chunks(const ChunkScope& scope);

/// Columns: first and last id of each chunk that lies within; whether it is whole. In the order of ids.
[[nodiscard]] Statement select_chunks(const ChunkScope& scope);

/// How a page is ordered, as far as chunks are concerned.
struct ChunkOrder {
  bool by_time = false;  ///< by created_at, else by id
  bool descending = false;
};

/// How far one can go through the whole chunks without passing more than `records`. Columns: by id the last id that is
/// passed (descending: the first), by time the created_at up to which one comes (it is not passed); the records passed
/// (by time at most so many); all that could be. NULL first where not even one chunk can be passed. Chunks of 4,096
/// from id 1 on, without gaps in the ids, and 10,000 records: 8192, 8192 and the number of all.
[[nodiscard]] Statement select_skip(const ChunkScope& scope, ChunkOrder order, std::uint64_t records);

/// How far one has to go through the whole chunks until `records` of them have been passed. Column: by id the last id
/// that is passed (descending: the first), by time the created_at. NULL where they are fewer.
[[nodiscard]] Statement select_reach(const ChunkScope& scope, ChunkOrder order, std::uint64_t records);

}  // namespace webhook_calls
