#include "sql/call_walk.h"

#include <chrono>
#include <thread>
#include <utility>

#include "sql/call_order.h"
#include "sql/instant.h"

namespace webhook_calls {
namespace {

using Clock = std::chrono::steady_clock;

/// Less than nginx waits for the next byte of an answer (fastcgi_read_timeout).
constexpr std::chrono::seconds kPatience{20};
constexpr std::chrono::milliseconds kPause{200};

bool may_come_back(const DatabaseError& error) {
  return error.kind() == DatabaseError::Kind::lost || error.kind() == DatabaseError::Kind::unreachable;
}

std::optional<BindValue> beginning_of(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  return text->substr(0, kComparedBytes);
}

std::optional<BindValue> sort_value_of(const CallRow& row, CallField field) {
  switch (field) {
    case CallField::id:
    case CallField::webhook_id:  // never in a total order
      return row.id;
    case CallField::http_code:
      return row.http_code;
    case CallField::headers:
      return beginning_of(row.headers);
    case CallField::body:
      return beginning_of(row.body);
    case CallField::created_at:
      break;
  }
  return sql_from_rfc3339(row.created_at);
}

}  // namespace

CallWalk::CallWalk(CallStore& store, CallQuery query, Access access)
    : store_(store), query_(std::move(query)), access_(std::move(access)), order_(total_order(query_.sort)) {
  query_.position = CallPosition{};
  query_.page_size = kMaxPageSize;
  query_.page_number = 1;
  query_.count = false;
}

const CallRow* CallWalk::next() {
  const auto begin = Clock::now();
  while (true) {
    try {
      return try_next();
    } catch (const DatabaseError& error) {
      page_.reset();
      const bool begun = !query_.position->values.empty();
      if (!begun || !may_come_back(error) || Clock::now() - begin > kPatience) throw;
    }
    store_.reset();
    std::this_thread::sleep_for(kPause);
  }
}

const CallRow* CallWalk::try_next() {
  while (true) {
    if (!page_) page_ = store_.list_calls(query_, access_, Pages::loose).rows;
    if (const CallRow* row = page_->next()) {
      move_to(*row);
      return row;
    }
    if (!page_->more()) return nullptr;
    page_.reset();
  }
}

void CallWalk::move_to(const CallRow& row) {
  SortValues& values = query_.position->values;
  values.resize(order_.size());
  for (std::size_t i = 0; i < order_.size(); ++i) values[i] = sort_value_of(row, order_[i].field);
}

}  // namespace webhook_calls
