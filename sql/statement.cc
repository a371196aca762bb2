#include "sql/statement.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace webhook_calls {

Statement& Statement::add(const Statement& part) {
  text_ += part.text_;
  binds_.insert(binds_.end(), part.binds_.begin(), part.binds_.end());
  return *this;
}

Statement& Statement::bind(BindValue value) {
  text_ += '?';
  binds_.push_back(std::move(value));
  return *this;
}

Statement& Statement::bind_list(std::span<const BindValue> values, Sql before, Sql after) {
  const std::size_t marks = std::bit_ceil(values.size());
  for (std::size_t i = 0; i < marks; ++i) {
    text_ += i == 0 ? '(' : ',';
    add(before).bind(values[std::min(i, values.size() - 1)]).add(after);
  }
  text_ += ')';
  return *this;
}

}  // namespace webhook_calls
