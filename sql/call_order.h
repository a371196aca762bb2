#pragma once

#include <cstddef>
#include <vector>

#include "sql/call_query.h"
#include "sql/call_row.h"
#include "sql/statement.h"

/// In which order a list stands, and a place in it.
namespace webhook_calls {

/// The sort as SQL needs it: without the webhook's id, which is the same in every row, without keys behind the unique
/// id, and ending in the id, in the direction of the last key.
[[nodiscard]] std::vector<SortKey> total_order(const std::vector<SortKey>& sort);

/// The order in which a page is looked for: that, or its reverse where the page ends before a position.
[[nodiscard]] std::vector<SortKey> reading_order(const CallQuery& query);

/// Headers and bodies are sorted by their beginnings.
inline constexpr std::size_t kComparedBytes = 1024;

/// Where a record stands: what a position next to it holds. It was read with all fields of the sort.
[[nodiscard]] SortValues sort_values_of(const CallRow& row, const std::vector<SortKey>& sort);

/// Appends what a key sorts by. Texts compare by their first kComparedBytes: a whole 1 MiB body would not fit in
/// MySQL's sort buffer (error 1038).
void add_sort_value(Statement& statement, CallField field, const CallQuery& query);

/// Appends ` DESC` where the key descends.
void add_direction(Statement& statement, const SortKey& key);

/// Appends ` ORDER BY …`.
void add_order(Statement& statement, const std::vector<SortKey>& order, const CallQuery& query);

/// Appends ` AND (…)`: the records that come after the query's position in the order, if it has one. As alternatives
/// (after it by the first key, or the same by that and after it by the second, and so on), of which both servers make
/// ranges of the order's index.
void add_position(Statement& statement, const CallQuery& query, const std::vector<SortKey>& order);

}  // namespace webhook_calls
