#include "sql/call_store.h"

#include <algorithm>
#include <deque>
#include <utility>
#include <vector>

#include "sql/call_rollup.h"

namespace webhook_calls {
namespace {

constexpr std::size_t kMaxPortionRows = 64;

/// While one is held, all statements see the database as it was when it was made.
class Snapshot {
 public:
  explicit Snapshot(MysqlSession& session) : session_(&session) { session.begin_snapshot(); }
  Snapshot(Snapshot&& other) noexcept : session_(std::exchange(other.session_, nullptr)) {}
  Snapshot& operator=(Snapshot&&) = delete;
  ~Snapshot() {
    if (session_ != nullptr) session_->end_snapshot();
  }

 private:
  MysqlSession* session_;
};

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
  if (column == 0 || result.is_null(column)) return std::nullopt;
  return result.text(column);
}

CallRow read_row(const MysqlResult& result, const PageColumns& columns) {
  CallRow row;
  row.id = result.number(columns.id);
  if (columns.http_code != 0 && !result.is_null(columns.http_code)) row.http_code = result.number(columns.http_code);
  if (columns.created_at != 0) row.created_at = rfc3339_from_sql(result.text(columns.created_at));
  row.headers = optional_text(result, columns.headers);
  row.body = optional_text(result, columns.body);
  return row;
}

/// Reads a result of select_page(): rows whose contents were too large for it are read in portions, when they are
/// due.
class PageRows : public CallRows {
 public:
  PageRows(MysqlSession& session, std::optional<Snapshot> snapshot, MysqlResult result, const CallQuery& query)
      : session_(session),
        snapshot_(std::move(snapshot)),
        result_(std::move(result)),
        webhook_id_(query.webhook_id),
        fields_(query.fields),
        columns_(query.fields),
        left_(query.page_size),
        inline_bytes_(inline_bytes(query.page_size)) {}

  const CallRow* next() override {
    if (!portion_.empty()) portion_.pop_front();
    if (portion_.empty()) read_portion();
    return portion_.empty() ? nullptr : &portion_.front();
  }

  [[nodiscard]] bool more() const override { return more_; }

 private:
  /// Reads on up to kPortionBytes of large contents, or one record where that is larger.
  void read_portion() {
    std::vector<BindValue> large_ids;
    std::uint64_t large_bytes = 0;
    while (!at_end_ && portion_.size() < kMaxPortionRows) {
      if (!pending_ && !move_on()) break;
      const std::uint64_t size = columns_.size == 0 ? 0 : result_.number(columns_.size);
      if (size > inline_bytes_) {
        if (!large_ids.empty() && large_bytes + size > kPortionBytes) break;
        large_ids.emplace_back(result_.number(columns_.id));
        large_bytes += size;
      }
      portion_.push_back(read_row(result_, columns_));
      pending_ = false;
    }
    if (!large_ids.empty()) read_contents(large_ids);
  }

  /// Moves to a row that is part of the page.
  bool move_on() {
    const bool row = result_.next();
    more_ = row && left_ == 0;
    at_end_ = !row || left_ == 0;
    pending_ = !at_end_;
    if (pending_) --left_;
    return pending_;
  }

  void read_contents(const std::vector<BindValue>& large_ids) {
    std::size_t found = 0;
    MysqlResult contents = session_.execute(select_contents(webhook_id_, fields_, large_ids));
    while (contents.next()) {
      const auto row = std::ranges::find(portion_, contents.number(1), &CallRow::id);
      if (row == portion_.end()) continue;
      unsigned column = 1;
      if (fields_.has(CallField::headers)) row->headers = optional_text(contents, ++column);
      if (fields_.has(CallField::body)) row->body = optional_text(contents, ++column);
      ++found;
    }
    if (found != large_ids.size()) throw DatabaseError(DatabaseError::Kind::lost, "a record vanished from a snapshot");
  }

  MysqlSession& session_;
  std::optional<Snapshot> snapshot_;
  MysqlResult result_;
  std::uint64_t webhook_id_;
  FieldSet fields_;
  PageColumns columns_;
  std::uint64_t left_;  ///< records of the page that are still to come
  std::uint64_t inline_bytes_;
  std::deque<CallRow> portion_{};  ///< the front one is the current record
  bool pending_ = false;           ///< the result stands on a row that no portion has taken
  bool at_end_ = false;
  bool more_ = false;
};

bool has_large_rows(MysqlResult& result, const CallQuery& query) {
  const PageColumns columns{query.fields};
  if (columns.size == 0) return false;
  bool found = false;
  for (std::uint64_t row = 0; !found && row < query.page_size && result.next(); ++row) {
    found = result.number(columns.size) > inline_bytes(query.page_size);
  }
  result.rewind();
  return found;
}

/// Most pages are one statement, which needs no snapshot. One whose contents must be read by further statements starts
/// again in a snapshot: nothing was sent yet, and no record can be purged in between.
std::unique_ptr<CallRows> read_page(MysqlSession& session, std::optional<Snapshot> snapshot, const Statement& statement,
                                    const CallQuery& query) {
  std::optional<MysqlResult> result{session.execute(statement)};
  if (!snapshot && has_large_rows(*result, query)) {
    result.reset();  // before the same statement runs again
    snapshot.emplace(session);
    result.emplace(session.execute(statement));
  }
  return std::make_unique<PageRows>(session, std::move(snapshot), *std::move(result), query);
}

std::unique_ptr<CallRows> read_page(MysqlSession& session, std::optional<Snapshot> snapshot, const CallQuery& query,
                                    const PagePlace& place) {
  return read_page(session, std::move(snapshot), select_page(query, place), query);
}

/// Empty where the chunks cannot tell.
std::optional<CallPage> list_by_chunks(MysqlSession& session, const CallQuery& query) {
  Snapshot snapshot{session};
  auto rollup = CallRollup::open(session, query);
  if (!rollup) return std::nullopt;
  CallPage page;
  if (query.count) page.count = rollup->count();
  const PlacedPage placed = rollup->place_page();
  page.rows = read_page(session, std::move(snapshot), placed.query, placed.place);
  return page;
}

}  // namespace

std::optional<Access> CallStore::find_access(const Reader& reader, std::uint64_t webhook_id) {
  MysqlResult result = session_.execute(select_access(reader, webhook_id));
  Access access;
  if (const auto* account = std::get_if<Account>(&reader)) access.account_id = account->id;
  if (!result.next()) {
    if (std::holds_alternative<TokenHash>(reader)) return std::nullopt;
    return access;
  }
  constexpr unsigned kAccount = 1, kId = 2, kName = 3, kUrl = 4, kCutoff = 5, kFirst = 6, kLast = 7;
  access.account_id = result.number(kAccount);
  access.cutoff = result.text(kCutoff);
  if (!result.is_null(kId)) access.webhook = Webhook{result.number(kId), result.text(kName), result.text(kUrl)};
  access.has_chunks = !result.is_null(kLast);
  if (!result.is_null(kFirst)) {
    access.first_id = result.number(kFirst);
  } else if (access.has_chunks) {
    access.first_id = result.number(kLast) + 1;
  }
  return access;
}

CallPage CallStore::list_calls(const CallQuery& query, const Access& access) {
  if (access.has_chunks && CallRollup::helps(query)) {
    if (auto page = list_by_chunks(session_, query)) return *std::move(page);
  }
  PagePlace place{.scope = {access.cutoff, {}}, .offset = query.offset()};
  if (access.first_id > 0) place.scope.ids = {{access.first_id}};
  CallPage page;
  std::optional<Snapshot> snapshot;
  if (query.count) {
    snapshot.emplace(session_);
    MysqlResult counted = session_.execute(count_calls(query, {access.cutoff, {}}));
    page.count = counted.next() ? counted.number(1) : 0;
  }
  page.rows = read_page(session_, std::move(snapshot), query, place);
  return page;
}

std::unique_ptr<CallRows> CallStore::find_call(std::uint64_t webhook_id, std::uint64_t call_id, FieldSet fields,
                                               const std::string& cutoff) {
  const CallQuery query{.webhook_id = webhook_id, .fields = fields, .page_size = 1};
  return read_page(session_, std::nullopt, select_call(webhook_id, call_id, fields, {cutoff, {}}), query);
}

}  // namespace webhook_calls
