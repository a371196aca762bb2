#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "fcgi/response.h"
#include "sql/call_row.h"

namespace webhook_calls {

/// Keeps what is written, up to the write that fails because the client has gone.
class Recording : public ResponseOutput {
 public:
  static constexpr std::size_t kNever = ~std::size_t{0};
  explicit Recording(std::size_t failing_write = kNever) : failing_write_(failing_write) {}

  bool write(std::string_view head, std::string_view body, bool last) override {
    if (ended) throw std::logic_error("a write behind the last one");
    ended = last;
    sizes.push_back(head.size() + body.size());
    if (sizes.size() > failing_write_) return false;
    text.append(head).append(body);
    return true;
  }

  std::string text{};
  bool ended = false;                ///< by a write that said so
  std::vector<std::size_t> sizes{};  ///< of all writes, a failed one too

 private:
  std::size_t failing_write_;
};

/// Records from a list.
class ListedRows : public CallRows {
 public:
  explicit ListedRows(std::vector<CallRow> rows, bool more = false) : rows_(std::move(rows)), more_(more) {}
  const CallRow* next() override { return taken < rows_.size() ? &rows_[taken++] : nullptr; }
  [[nodiscard]] bool more() const override { return more_; }

  std::size_t taken = 0;

 private:
  std::vector<CallRow> rows_;
  bool more_;
};

}  // namespace webhook_calls
