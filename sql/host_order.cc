#include "sql/host_order.h"

#include <algorithm>
#include <numeric>

namespace webhook_calls {

std::vector<std::size_t> HostOrder::all(Clock::time_point now) const {
  std::vector<std::size_t> order(hosts_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_partition(order.begin(), order.end(),  // clang 14 cannot compile that of std::ranges
                        [&](std::size_t host) { return hosts_[host].avoided_until <= now; });
  return order;
}

std::vector<std::size_t> HostOrder::better(Clock::time_point now) const {
  std::vector<std::size_t> order;
  for (std::size_t host = 0; host < current_; ++host) {
    if (hosts_[host].avoided_until <= now) order.push_back(host);
  }
  return order;
}

void HostOrder::failed(std::size_t host, Clock::time_point now) {
  auto& [pause, failed_at, avoided_until] = hosts_[host];
  pause = now - failed_at > kForgotten ? kFirstPause : std::clamp(2 * pause, kFirstPause, kLongestPause);
  failed_at = now;
  avoided_until = now + pause;
}

void HostOrder::use(std::size_t host) {
  hosts_[host].avoided_until = {};
  current_ = host;
}

}  // namespace webhook_calls
