#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "sql/call_row.h"
#include "sql/call_statements.h"

namespace webhook_calls {

/// What a reader may see of a webhook.
struct Access {
  std::optional<std::uint64_t> account_id{};  ///< empty where open access did not meet a webhook
  std::optional<Webhook> webhook{};           ///< empty: there is none for this reader
  std::uint64_t first_id = 0;                 ///< of the webhook's records: those with lower ids have expired
  bool has_chunks = false;
};

/// What the database said of readers and webhooks in the last few seconds, so that most requests need not ask. Only
/// what was granted is kept: a new token, and a new webhook, are there at once.
class AccessCache {
 public:
  using Clock = std::chrono::steady_clock;

  /// A revoked token is refused after at most 5 s (contract: README, "Who may read"); the rest is for the answer in the
  /// making.
  static constexpr std::chrono::seconds kLifetime{4};
  /// A name and a URL have up to 10 KB: 2.5 MiB at the worst.
  static constexpr std::size_t kMaxEntries = 256;

  /// nullptr: the database has to be asked. Valid until the next call of another function.
  [[nodiscard]] const Access* find(const Reader& reader, std::uint64_t webhook_id, Clock::time_point now) const;

  /// `asked`: when the database was asked. `valid`: for how long from then on the reader's token is valid.
  void insert(const Reader& reader, std::uint64_t webhook_id, Access access, Clock::time_point asked,
              std::chrono::microseconds valid);

  void clear() { entries_.clear(); }

 private:
  struct Entry {
    Access access{};
    Clock::time_point end{};
  };
  std::map<std::pair<Reader, std::uint64_t>, Entry> entries_{};
};

}  // namespace webhook_calls
