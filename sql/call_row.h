#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sql/call_fields.h"

namespace webhook_calls {

/// One record, as far as it was asked for; a field that was not read has its initial value. Headers and body are the
/// recorded bytes, of any kind, or their beginning: CallRows::text_from() has the rest.
struct CallRow {
  std::uint64_t id = 0;
  std::optional<std::uint64_t> http_code{};  ///< empty: no HTTP response arrived
  std::optional<std::string> headers{};
  std::optional<std::string> body{};
  std::string created_at{};  ///< RFC 3339, UTC, three decimals
};

/// The records of one answer, pulled one after the other.
class CallRows {
 public:
  CallRows() = default;
  CallRows(const CallRows&) = delete;
  CallRows& operator=(const CallRows&) = delete;
  virtual ~CallRows() = default;

  /// The next record, valid until the next call; nullptr after the last one.
  /// Throws DatabaseError where the record cannot be read; std::runtime_error where it was purged in the middle of its
  /// text.
  virtual const CallRow* next() = 0;

  /// Of the record that next() gave last: what its headers or body have behind their first `offset` bytes (which were
  /// given before), as much of it as fits in memory; empty behind the last byte. Throws like next().
  [[nodiscard]] virtual std::string text_from(CallField field, std::uint64_t offset) = 0;

  /// Whether a record follows the page, or precedes it where the page ends before a position; known once next() has
  /// returned nullptr.
  [[nodiscard]] virtual bool more() const = 0;
};

/// One group of records that were counted (CallQuery::count_by).
struct CallCount {
  std::string created_at{};             ///< where its bucket begins, as in CallRow
  std::optional<std::uint64_t> code{};  ///< the http_code of all, or the lowest of their class; empty: none arrived
  std::uint64_t count = 0;

  friend bool operator==(const CallCount&, const CallCount&) = default;
};

/// What is known of all records that a list request selects, as far as it was asked for.
struct CallTotals {
  std::optional<std::uint64_t> count{};
  std::vector<CallCount> counts{};  ///< more than kMaxCounts: not all of them
};

struct Webhook {
  std::uint64_t id = 0;
  std::string name{};
  std::string url{};
};

}  // namespace webhook_calls
