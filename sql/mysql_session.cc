#include "sql/mysql_session.h"

#include <cppconn/prepared_statement.h>
#include <cppconn/resultset.h>
#include <cppconn/statement.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "sql/host_order.h"
#include "sql/mysql_connection.h"

namespace webhook_calls {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = DatabaseError::Kind;

constexpr std::size_t kMaxPrepared = 128;
constexpr std::size_t kMaxHeldBytes = 4U << 20U;  ///< of texts in results that nobody uses any more

}  // namespace

class MysqlResult::Impl {
 public:
  Impl(std::unique_ptr<sql::ResultSet> rows, std::shared_ptr<std::size_t> bytes)
      : rows_(std::move(rows)), left_(rows_->rowsCount()), bytes_(std::move(bytes)) {
    *bytes_ = 0;
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    if (left_ > 0) *bytes_ += kMaxHeldBytes;  // nobody knows what else there was
  }
  std::unique_ptr<sql::ResultSet> rows_;
  std::size_t left_;
  std::shared_ptr<std::size_t> bytes_;  ///< how many text() has given: a measure of what the driver holds
};

MysqlResult::MysqlResult(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MysqlResult::MysqlResult(MysqlResult&&) noexcept = default;
MysqlResult::~MysqlResult() = default;

// The driver holds all rows, so none of these waits for the server; what they can throw is a fault of ours.
//
// The driver's next() is never called behind the last row: after beforeFirst() on an empty result it leaves the
// statement in a state in which its next execution waits for a packet that never comes.
bool MysqlResult::next() {
  if (impl_->left_ == 0) return false;
  --impl_->left_;
  return impl_->rows_->next();
}

std::size_t MysqlResult::size() const { return impl_->left_; }
bool MysqlResult::is_null(unsigned column) const { return impl_->rows_->isNull(column); }
std::uint64_t MysqlResult::number(unsigned column) const { return impl_->rows_->getUInt64(column); }
std::string MysqlResult::text(unsigned column) const {
  sql::SQLString text = impl_->rows_->getString(column);
  *impl_->bytes_ += text.length();
  return std::move(*text.operator->());  // getString() has copied it once; its type cannot be moved from itself
}

class MysqlSession::Impl {
 public:
  explicit Impl(DatabaseSettings settings) : settings_(std::move(settings)) {}

  template <typename Function>
  auto run(Function function) {
    if (broken_) disconnect();
    if (!connection_) connect();
    return run_connected(std::move(function));
  }

  template <typename Function>
  auto run_connected(Function function) {
    const auto begin = Clock::now();
    const Stopwatch stopwatch{elapsed_};
    try {
      return function();
    } catch (const sql::SQLException& error) {
      broken_ = true;  // closed later: results that refer to the connection may still be alive
      const int code = error.getErrorCode();
      const bool silent = is_of_client_library(code) && Clock::now() - begin >= settings_.statement_timeout;
      if (silent) mark_as_failed(order_.current(), text_of(error));
      // Another host may do better than a silent one.
      const Kind kind = silent && settings_.hosts.size() == 1 ? Kind::timed_out : kind_of(code);
      throw DatabaseError(kind, text_of(error), code);
    }
  }

  std::unique_ptr<MysqlResult::Impl> execute(const Statement& statement) {
    Prepared& chosen = prepare(statement.text());
    sql::PreparedStatement& prepared = *chosen.statement;
    unsigned position = 0;
    for (const BindValue& value : statement.binds()) {
      ++position;
      if (const auto* number = std::get_if<std::uint64_t>(&value)) {
        prepared.setUInt64(position, *number);
      } else {
        prepared.setString(position, std::get<std::string>(value));
      }
    }
    std::unique_ptr<sql::ResultSet> rows{prepared.executeQuery()};
    return std::make_unique<MysqlResult::Impl>(std::move(rows), chosen.result_bytes);
  }

  void execute_plain(Sql sql) {
    if (broken_) throw sql::SQLException("the connection is broken");
    const std::unique_ptr<sql::Statement> statement{connection_->createStatement()};
    statement->execute(std::string{sql.text()});
  }

  void disconnect() noexcept {
    prepared_.clear();
    connection_.reset();
    broken_ = false;
    in_snapshot_ = false;
  }

  bool return_to_better_host() {
    const auto better = order_.better(Clock::now());
    if (std::ranges::none_of(better, [this](std::size_t host) { return try_to_connect(host); })) return false;
    reasons_.clear();
    return true;
  }

  std::optional<NewHost> take_new_host() {
    std::string reasons = std::exchange(reasons_, {});
    if (std::exchange(told_, order_.current()) == order_.current()) return std::nullopt;
    return NewHost{name_of(settings_.hosts[told_]), std::move(reasons)};
  }

  std::chrono::nanoseconds elapsed_{0};
  bool in_snapshot_ = false;

 private:
  class Stopwatch {
   public:
    explicit Stopwatch(std::chrono::nanoseconds& total) : total_(total) {}
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;
    ~Stopwatch() { total_ += Clock::now() - begin_; }

   private:
    std::chrono::nanoseconds& total_;
    Clock::time_point begin_ = Clock::now();
  };

  struct Prepared {
    std::string text;
    std::unique_ptr<sql::PreparedStatement> statement;
    std::shared_ptr<std::size_t> result_bytes;
    std::uint64_t last_used = 0;
  };

  /// A statement keeps all that the driver holds of its last result, until it is executed again.
  void drop_large_results() {
    const auto bytes = [](const Prepared& prepared) {
      return prepared.result_bytes.use_count() == 1 ? *prepared.result_bytes : 0;  // else the result is in use
    };
    std::size_t held = 0;
    for (const Prepared& prepared : prepared_) held += bytes(prepared);
    if (held <= kMaxHeldBytes) return;
    std::erase_if(prepared_, [&](const Prepared& prepared) { return bytes(prepared) > kMaxHeldBytes / kMaxPrepared; });
  }

  Prepared& prepare(const std::string& text) {
    drop_large_results();
    auto found = std::ranges::find(prepared_, text, &Prepared::text);
    if (found == prepared_.end()) {
      if (prepared_.size() == kMaxPrepared)
        prepared_.erase(std::ranges::min_element(prepared_, {}, &Prepared::last_used));
      std::unique_ptr<sql::PreparedStatement> statement{connection_->prepareStatement(text)};
      prepared_.push_back({text, std::move(statement), std::make_shared<std::size_t>(0)});
      found = prepared_.end() - 1;
    }
    found->last_used = ++uses_;
    return *found;
  }

  void connect() {
    const Stopwatch stopwatch{elapsed_};
    for (const std::size_t host : order_.all(Clock::now())) {
      if (try_to_connect(host)) return;
    }
    throw DatabaseError(Kind::unreachable, std::exchange(reasons_, {}));
  }

  bool try_to_connect(std::size_t host) {
    try {
      auto connection = open_connection(settings_, settings_.hosts[host], settings_.hosts.size() > 1);
      disconnect();
      connection_ = std::move(connection);
      order_.use(host);
      return true;
    } catch (const sql::SQLException& error) {
      mark_as_failed(host, text_of(error));
      return false;
    }
  }

  void mark_as_failed(std::size_t host, const std::string& reason) {
    order_.failed(host, Clock::now());
    reasons_ += (reasons_.empty() ? "" : "; ") + name_of(settings_.hosts[host]) + ": " + reason;
  }

  DatabaseSettings settings_;
  HostOrder order_{settings_.hosts.size()};
  std::size_t told_ = 0;  ///< the host that take_new_host() gave last
  std::string reasons_;   ///< why hosts were left, or not reached
  std::unique_ptr<sql::Connection> connection_;
  std::vector<Prepared> prepared_;
  std::uint64_t uses_ = 0;
  bool broken_ = false;
};

MysqlSession::MysqlSession(DatabaseSettings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}
MysqlSession::~MysqlSession() { disconnect(); }

MysqlResult MysqlSession::execute(const Statement& statement) {
  return impl_->run([&] { return MysqlResult{impl_->execute(statement)}; });
}

void MysqlSession::disconnect() noexcept { impl_->disconnect(); }

bool MysqlSession::return_to_better_host() { return impl_->return_to_better_host(); }
std::optional<NewHost> MysqlSession::take_new_host() { return impl_->take_new_host(); }

std::chrono::nanoseconds MysqlSession::take_elapsed() { return std::exchange(impl_->elapsed_, {}); }

Snapshot::Snapshot(MysqlSession& session) : session_(&session) {
  session.impl_->run([&] {
    session.impl_->execute_plain("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
    session.impl_->in_snapshot_ = true;
  });
}

void Snapshot::end() {
  if (session_ == nullptr) return;
  MysqlSession::Impl& connected = *std::exchange(session_, nullptr)->impl_;
  if (!std::exchange(connected.in_snapshot_, false)) return;
  connected.run_connected([&] { connected.execute_plain("COMMIT"); });
}

Snapshot::~Snapshot() {
  MysqlSession* session = session_;
  try {
    end();
  } catch (const std::exception&) {
    session->disconnect();  // ends it too
  }
}

}  // namespace webhook_calls
