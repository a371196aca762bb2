#include "sql/call_walk.h"

#include <chrono>
#include <thread>
#include <utility>

#include "sql/call_order.h"

namespace webhook_calls {
namespace {

using Clock = std::chrono::steady_clock;

/// Less than nginx waits for the next byte of an answer (fastcgi_read_timeout).
constexpr std::chrono::seconds kPatience{20};
constexpr std::chrono::milliseconds kPause{200};

bool may_come_back(const DatabaseError& error) {
  return error.kind() == DatabaseError::Kind::lost || error.kind() == DatabaseError::Kind::unreachable;
}

}  // namespace

CallWalk::CallWalk(CallStore& store, CallQuery query, Access access)
    : store_(store), query_(std::move(query)), access_(std::move(access)) {
  query_.position = CallPosition{};
  query_.page_size = kMaxPageSize;
  query_.page_number = 1;
  query_.count = false;
}

template <typename Function>
auto CallWalk::patiently(Function function) {
  const auto begin = Clock::now();
  while (true) {
    try {
      return function();
    } catch (const DatabaseError& error) {
      const bool begun = !query_.position->values.empty();
      if (!begun || !may_come_back(error) || Clock::now() - begin > kPatience) throw;
    }
    was_interrupted_ = true;
    store_.reset();
    std::this_thread::sleep_for(kPause);
  }
}

const CallRow* CallWalk::next() {
  return patiently([this] { return try_next(); });
}

std::string CallWalk::text_from(CallField field, std::uint64_t offset) {
  return patiently([&] { return page_->text_from(field, offset); });
}

const CallRow* CallWalk::try_next() {
  while (true) {
    if (!page_) page_ = store_.list_calls(query_, access_, Pages::loose).rows;
    if (const CallRow* row = page_->next()) {
      query_.position->values = sort_values_of(*row, query_.sort);
      return row;
    }
    if (!page_->more()) return nullptr;
    page_.reset();
  }
}

}  // namespace webhook_calls
