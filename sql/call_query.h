#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "sql/call_fields.h"
#include "sql/instant.h"

namespace webhook_calls {

/// The last three are about texts, in which ASCII letters are the same in either case.
enum class Operator : std::uint8_t { any_of, none_of, lt, lte, gt, gte, contains, starts_with, ends_with };

/// The HTTP codes from 100 × `hundreds` on: 5xx.
struct CodeClass {
  std::uint64_t hundreds = 0;

  [[nodiscard]] std::uint64_t first() const { return hundreds * 100; }
  [[nodiscard]] std::uint64_t last() const { return first() + 99; }
  friend bool operator==(const CodeClass&, const CodeClass&) = default;
};

using FilterValue = std::variant<std::uint64_t, std::string, Instant, CodeClass>;

/// One condition. A number that no column can hold is left out of `values` by the decoder: without values (and without
/// or_null) none_of selects everything, and each other operator nothing.
struct Filter {
  CallField field;
  Operator op = Operator::any_of;
  std::vector<FilterValue>
      values{};          ///< of the field's ValueType (an instant also as the database's own text, an
                         ///< http_code also as its class); one at most where op is neither any_of nor none_of
  bool or_null = false;  ///< any_of, none_of: null is one of the values

  friend bool operator==(const Filter&, const Filter&) = default;
};

struct SortKey {
  CallField field;
  bool descending = false;

  friend bool operator==(const SortKey&, const SortKey&) = default;
};

/// A record's value for each key of total_order(), as the database compares it; empty: null.
using SortValues = std::vector<std::optional<BindValue>>;

/// The place next to a record, which need not be there any more.
struct CallPosition {
  bool before = false;  ///< the page ends before it, rather than to begin after it
  SortValues values{};  ///< empty: no record, but that end of the list where the page begins, or ends

  friend bool operator==(const CallPosition&, const CallPosition&) = default;
};

/// What records are counted by. (An hour and a class: 3600 and 100.)
struct CountBy {
  std::uint64_t seconds = 0;  ///< the length of a bucket of created_at, which divides a UTC day; 0: not by time
  std::uint64_t codes = 0;    ///< how many codes a group has, from a multiple of it on, or null alone; 0: not by code
  bool code_first = false;    ///< groups are in the order of their codes, and then of their times

  [[nodiscard]] bool any() const { return seconds != 0 || codes != 0; }
  friend bool operator==(const CountBy&, const CountBy&) = default;
};

inline constexpr std::uint64_t kMaxPageSize = 1000;
inline constexpr std::size_t kMaxCounts = 10'000;

/// What a list request asks of the database, validated.
struct CallQuery {
  std::uint64_t webhook_id = 0;
  FieldSet fields = FieldSet::all_attributes();  ///< attributes to read; id is always read
  std::vector<Filter> filters{};                 ///< all must hold
  std::vector<SortKey> sort{};                   ///< no field twice; empty: by id, ascending
  std::uint64_t page_number = 1;                 ///< from 1; (page_number - 1) * page_size is at most 2^63
  std::optional<CallPosition> position{};        ///< where the page lies; the page's number is 1 then
  std::uint64_t page_size = kMaxPageSize;        ///< 1 to kMaxPageSize; 0: counts alone
  bool count = false;                            ///< the exact number of selected records is wanted too
  CountBy count_by{};                            ///< and so are their numbers in groups, unless these are too many
  std::string redaction{};                       ///< a redaction_pattern(): the headers are what it leaves of them

  [[nodiscard]] std::uint64_t offset() const { return (page_number - 1) * page_size; }
  [[nodiscard]] bool filters_by(CallField field) const {
    return std::ranges::find(filters, field, &Filter::field) != filters.end();
  }
  /// Whether some filter names the values, or the bounds of the values, that the field may have.
  [[nodiscard]] bool narrowed_by(CallField field) const {
    return std::ranges::any_of(
        filters, [&](const Filter& filter) { return filter.field == field && filter.op != Operator::none_of; });
  }
  friend bool operator==(const CallQuery&, const CallQuery&) = default;
};

/// Ids from `first` to `last`.
struct IdRange {
  std::uint64_t first = 0;
  std::uint64_t last = std::numeric_limits<std::uint64_t>::max();

  friend bool operator==(const IdRange&, const IdRange&) = default;
};

/// Ids and times at once: the records with these ids that were created from `from` until before `until`, both as the
/// database's text.
struct CallSpan {
  IdRange ids{};
  std::string from{};
  std::string until{};
};

/// Where a statement has to look for a query's records.
struct CallScope {
  std::string cutoff{};            ///< records created then or before have expired; empty: kCutoffNow
  std::vector<IdRange> ids{};      ///< all that are asked for lie in one of these; empty: anywhere
  std::optional<CallSpan> span{};  ///< and in this one
};

}  // namespace webhook_calls
