#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace webhook_calls {

/// One record, as far as it was asked for; a field that was not read has its initial value.
struct CallRow {
  std::uint64_t id = 0;
  std::optional<std::uint64_t> http_code{};  ///< empty: no HTTP response arrived
  std::optional<std::string> headers{};      ///< the recorded bytes, of any kind
  std::optional<std::string> body{};         ///< the recorded bytes, of any kind
  std::string created_at{};                  ///< RFC 3339, UTC, three decimals
};

/// The records of one answer, pulled one after the other.
class CallRows {
 public:
  CallRows() = default;
  CallRows(const CallRows&) = delete;
  CallRows& operator=(const CallRows&) = delete;
  virtual ~CallRows() = default;

  /// The next record, valid until the next call; nullptr after the last one.
  /// Throws DatabaseError where the record cannot be read.
  virtual const CallRow* next() = 0;

  /// Whether a record follows the page; known once next() has returned nullptr.
  [[nodiscard]] virtual bool more() const = 0;
};

struct Webhook {
  std::uint64_t id = 0;
  std::string name{};
  std::string url{};
};

}  // namespace webhook_calls
