#pragma once

#include <cstddef>
#include <cstdint>
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

  bool take_back() override {
    if (keeps) return false;
    text.clear();
    return true;
  }

  std::string text{};
  bool keeps = true;                 ///< what is written cannot be taken back
  bool ended = false;                ///< by a write that said so
  std::vector<std::size_t> sizes{};  ///< of all writes, a failed one too

 private:
  std::size_t failing_write_;
};

/// Records from a list, their texts in pieces of so many bytes.
class ListedRows : public CallRows {
 public:
  explicit ListedRows(std::vector<CallRow> rows, bool more = false, std::size_t piece_bytes = std::string::npos)
      : rows_(std::move(rows)), more_(more), piece_bytes_(piece_bytes) {}

  const CallRow* next() override {
    if (taken == rows_.size()) return nullptr;
    row_ = rows_[taken++];
    for (auto* text : {&row_.headers, &row_.body}) {
      if (*text) *text = (*text)->substr(0, piece_bytes_);
    }
    return &row_;
  }

  std::string text_from(CallField field, std::uint64_t offset) override {
    const CallRow& row = rows_[taken - 1];
    const std::string& text = field == CallField::headers ? *row.headers : *row.body;
    if (offset == 0 || offset > text.size()) throw std::logic_error("there is no such offset");
    if (offset < text.size()) ++pulled;
    return text.substr(offset, piece_bytes_);
  }

  [[nodiscard]] bool more() const override { return more_; }

  std::size_t taken = 0;   ///< records
  std::size_t pulled = 0;  ///< pieces behind the first ones

 private:
  std::vector<CallRow> rows_;
  bool more_;
  std::size_t piece_bytes_;
  CallRow row_{};
};

}  // namespace webhook_calls
