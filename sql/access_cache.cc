#include "sql/access_cache.h"

#include <algorithm>

namespace webhook_calls {

const Access* AccessCache::find(const Reader& reader, std::uint64_t webhook_id, Clock::time_point now) const {
  const auto found = entries_.find({reader, webhook_id});
  return found == entries_.end() || now >= found->second.end ? nullptr : &found->second.access;
}

void AccessCache::insert(const Reader& reader, std::uint64_t webhook_id, Access access, Clock::time_point asked,
                         std::chrono::microseconds valid) {
  if (entries_.size() >= kMaxEntries) std::erase_if(entries_, [&](const auto& e) { return asked >= e.second.end; });
  if (entries_.size() >= kMaxEntries) clear();
  const auto end = asked + std::min<std::chrono::microseconds>(valid, kLifetime);
  entries_.insert_or_assign({reader, webhook_id}, Entry{std::move(access), end});
}

}  // namespace webhook_calls
