#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sql/call_store.h"

namespace webhook_calls {

/// All records that a query selects, in its order, whatever their number: read in pages by statements that take no
/// longer at the end than at the beginning, with nothing held in the database between them. So whoever takes the
/// records may be as slow as they like. A record that arrives or expires meanwhile is there or not; none is there
/// twice.
///
/// Where the database is lost behind the first record, the walk waits for it, up to 20 s, and goes on. Throws
/// DatabaseError where it does not come back, and std::runtime_error where a record is purged in the middle of a text
/// of more than 1 MiB.
class CallWalk : public CallRows {
 public:
  /// `store` must outlive the walk. The fields of the query's sort are read beside its own.
  CallWalk(CallStore& store, CallQuery query, Access access);

  const CallRow* next() override;
  std::string text_from(CallField field, std::uint64_t offset) override;
  [[nodiscard]] bool more() const override { return false; }

  /// Whether it had to wait for the database, and went on.
  [[nodiscard]] bool was_interrupted() const { return was_interrupted_; }

 private:
  template <typename Function>
  auto patiently(Function function);
  const CallRow* try_next();

  CallStore& store_;
  CallQuery query_;  ///< its position is the last record that was given
  Access access_;
  std::unique_ptr<CallRows> page_{};
  bool was_interrupted_ = false;
};

}  // namespace webhook_calls
