#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sql/call_store.h"

namespace webhook_calls {

/// All records that a query selects, in its order, whatever their number: read in pages by statements that take no
/// longer at the end than at the beginning, with nothing held in the database between them. So whoever takes the
/// records may be as slow as they like. A record that arrives or expires meanwhile is there or not; none is there
/// twice.
///
/// Where the database is lost behind the first record, the walk waits for it, and goes on behind the last one.
class CallWalk : public CallRows {
 public:
  /// `store` must outlive the walk. The fields of the query's sort are read beside its own.
  CallWalk(CallStore& store, CallQuery query, Access access);

  const CallRow* next() override;
  std::string text_from(CallField field, std::uint64_t offset) override { return page_->text_from(field, offset); }
  [[nodiscard]] bool more() const override { return false; }

 private:
  const CallRow* try_next();
  void move_to(const CallRow& row);

  CallStore& store_;
  CallQuery query_;  ///< its position is the last record that was given
  Access access_;
  std::vector<SortKey> order_;
  std::unique_ptr<CallRows> page_{};
};

}  // namespace webhook_calls
