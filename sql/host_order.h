#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace webhook_calls {

/// In which order to try several database hosts, which are numbered by their places in the operator's list. One that
/// failed is avoided for a while, so that a host that hangs does not delay each connection, and is then worth a trial.
class HostOrder {
 public:
  using Clock = std::chrono::steady_clock;

  /// How long a host is avoided after its first failure, and twice as long after each further one, unless kForgotten
  /// have passed since the last: a host may accept connections and then not answer, again and again.
  static constexpr std::chrono::seconds kFirstPause{10};
  static constexpr std::chrono::seconds kLongestPause{60};
  static constexpr std::chrono::seconds kForgotten = 3 * kLongestPause;

  explicit HostOrder(std::size_t hosts) : hosts_(hosts) {}

  /// All hosts, in the list's order, but those to avoid behind the others.
  [[nodiscard]] std::vector<std::size_t> all(Clock::time_point now) const;

  /// The hosts that stand before the current one in the list and need not be avoided any more.
  [[nodiscard]] std::vector<std::size_t> better(Clock::time_point now) const;

  void failed(std::size_t host, Clock::time_point now);
  void use(std::size_t host);

  [[nodiscard]] std::size_t current() const { return current_; }  ///< the first one at the beginning

 private:
  struct Host {
    std::chrono::seconds pause{0};
    Clock::time_point failed_at{};
    Clock::time_point avoided_until{};
  };

  std::vector<Host> hosts_;
  std::size_t current_ = 0;
};

}  // namespace webhook_calls
