#include "sql/page_rows.h"

#include <algorithm>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "sql/instant.h"

namespace webhook_calls {
namespace {

/// The columns of select_page().
struct PageColumns {
  explicit PageColumns(FieldSet fields) {
    unsigned last = id;
    if (fields.has(CallField::http_code)) http_code = ++last;
    if (fields.has(CallField::created_at)) created_at = ++last;
    if (fields.has_contents()) size = ++last;
    if (fields.has(CallField::headers)) headers = ++last;
    if (fields.has(CallField::body)) body = ++last;
  }

  unsigned id = 1;
  unsigned http_code = 0, created_at = 0, size = 0, headers = 0, body = 0;  ///< 0: not read
};

std::optional<std::string> optional_text(const MysqlResult& result, unsigned column) {
  if (column == 0) return std::nullopt;
  std::string text = result.text(column);
  if (text.empty() && result.is_null(column)) return std::nullopt;
  return text;
}

std::optional<std::uint64_t> optional_number(const MysqlResult& result, unsigned column) {
  if (column == 0) return std::nullopt;
  const std::uint64_t number = result.number(column);
  if (number == 0 && result.is_null(column)) return std::nullopt;
  return number;
}

CallRow read_row(const MysqlResult& result, const PageColumns& columns) {
  CallRow row;
  row.id = result.number(columns.id);
  row.http_code = optional_number(result, columns.http_code);
  if (columns.created_at != 0) row.created_at = rfc3339_from_sql(result.text(columns.created_at));
  row.headers = optional_text(result, columns.headers);
  row.body = optional_text(result, columns.body);
  return row;
}

/// The records of a page, from a result of select_page(). Contents that were too large for it are read on when they are
/// due, kPortionBytes of contents at a time, all in one snapshot (of loose pages: in none). A record that was purged
/// before the first of these (before its own) is left out: it expired while the answer was made. Of a text of
/// kPortionBytes or more that is the first piece, and text_from() reads the others.
class PageRows : public CallRows {
 public:
  /// `snapshot`: the page's, where it has one already.
  PageRows(MysqlSession& session, std::optional<Snapshot> snapshot, MysqlResult result, const CallQuery& query,
           Pages pages = Pages::whole)
      : session_(session),
        pages_(pages),
        snapshot_(std::move(snapshot)),
        purge_possible_(!snapshot_),
        result_(std::move(result)),
        query_(query),
        columns_(query.fields),
        left_(query.page_size) {
    if (!query.position || !query.position->before || result_->size() <= left_) return;
    more_ = result_->next();  // the one record more comes first
  }

  const CallRow* next() override {
    while (next_ == portion_.size() && !at_end_) read_portion();
    return next_ == portion_.size() ? nullptr : &portion_[next_++];
  }

  std::string text_from(CallField field, std::uint64_t offset) override {
    if (offset % kPortionBytes != 0) return {};  // the piece before was the last one
    FieldSet only;
    only.insert(field);
    const BindValue id = portion_[next_ - 1].id;
    MysqlResult contents = select(only, {&id, 1}, offset);
    if (!contents.next()) throw std::runtime_error("a record is gone in the middle of its text");
    return contents.text(2);
  }

  [[nodiscard]] bool more() const override { return more_; }

 private:
  /// A record, or from one with large contents on as many as a portion holds.
  void read_portion() {
    portion_.clear();
    next_ = 0;
    std::vector<BindValue> large_ids;
    std::uint64_t bytes = 0;
    while (pending_ || move_on()) {
      const std::uint64_t size = columns_.size == 0 ? 0 : result_->number(columns_.size);
      if (bytes > 0 && bytes + size > kPortionBytes) break;
      bytes += size;
      const CallRow& row = portion_.emplace_back(read_row(*result_, columns_));
      pending_ = false;
      const std::size_t come = (row.headers ? row.headers->size() : 0) + (row.body ? row.body->size() : 0);
      if (come < size) large_ids.emplace_back(row.id);
      if (large_ids.empty()) return;
    }
    if (!large_ids.empty()) read_contents(std::move(large_ids));
  }

  /// Moves to a row that is part of the page.
  bool move_on() {
    if (at_end_) return false;
    const bool row = result_->next();
    more_ = more_ || (row && left_ == 0);
    at_end_ = !row || left_ == 0;
    pending_ = !at_end_;
    if (pending_) --left_;
    return pending_;
  }

  MysqlResult select(FieldSet fields, std::span<const BindValue> ids, std::uint64_t offset = 0) {
    try {
      return session_.execute(select_contents(query_, fields, ids, offset));
    } catch (const DatabaseError&) {
      // The page's result must not outlive the connection. Who has another one goes on behind the last record given.
      result_.reset();
      portion_.resize(next_);
      at_end_ = more_ = true;
      throw;
    }
  }

  void read_contents(std::vector<BindValue> missing) {
    if (!snapshot_ && pages_ == Pages::whole) snapshot_.emplace(session_);
    MysqlResult contents = select(query_.fields, missing);
    while (contents.next()) {
      const std::uint64_t id = contents.number(1);
      const auto row = std::ranges::find(portion_, id, &CallRow::id);
      if (std::erase(missing, BindValue{id}) == 0) continue;
      unsigned column = 1;
      if (query_.fields.has(CallField::headers)) row->headers = optional_text(contents, ++column);
      if (query_.fields.has(CallField::body)) row->body = optional_text(contents, ++column);
    }
    if (!missing.empty() && !purge_possible_) throw std::logic_error("a record is gone from a snapshot");
    std::erase_if(portion_,
                  [&](const CallRow& row) { return std::ranges::find(missing, BindValue{row.id}) != missing.end(); });
  }

  MysqlSession& session_;
  Pages pages_;
  std::optional<Snapshot> snapshot_;
  bool purge_possible_;  ///< between the page and the snapshot
  std::optional<MysqlResult> result_;
  CallQuery query_;
  PageColumns columns_;
  std::uint64_t left_;  ///< records of the page that are still to come
  std::vector<CallRow> portion_{};
  std::size_t next_ = 0;  ///< of the portion
  bool pending_ = false;  ///< the result stands on a row that no portion has taken
  bool at_end_ = false;
  bool more_ = false;
};

class NoRows : public CallRows {
 public:
  const CallRow* next() override { return nullptr; }
  std::string text_from(CallField /*field*/, std::uint64_t /*offset*/) override { return {}; }
  [[nodiscard]] bool more() const override { return false; }
};

}  // namespace

std::unique_ptr<CallRows> read_page(MysqlSession& session, std::optional<Snapshot> snapshot, const CallQuery& query,
                                    const PagePlace& place, Pages pages) {
  if (query.page_size == 0) return std::make_unique<NoRows>();
  MysqlResult result = session.execute(select_page(query, place));
  if (pages == Pages::loose && snapshot) {
    snapshot->end();
    snapshot.reset();
  }
  return std::make_unique<PageRows>(session, std::move(snapshot), std::move(result), query, pages);
}

std::unique_ptr<CallRows> read_call(MysqlSession& session, const CallQuery& query, std::uint64_t call_id) {
  CallQuery one = query;
  one.page_size = 1;
  return std::make_unique<PageRows>(session, std::nullopt, session.execute(select_call(one, call_id)), one);
}

}  // namespace webhook_calls
