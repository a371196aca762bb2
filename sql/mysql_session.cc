#include "sql/mysql_session.h"

#include <cppconn/connection.h>
#include <cppconn/driver.h>
#include <cppconn/exception.h>
#include <cppconn/prepared_statement.h>
#include <cppconn/resultset.h>
#include <cppconn/statement.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace webhook_calls {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = DatabaseError::Kind;

/// The server is asked to stop a statement a little before the client stops waiting, so that it is the statement that
/// ends and not the connection, which would leave the statement running.
constexpr double kServerShare = 0.95;
constexpr std::size_t kMaxPrepared = 128;
constexpr std::size_t kMaxHeldBytes = 4U << 20U;  ///< of texts in results that nobody uses any more

Kind kind_of(int code, Clock::duration waited, std::chrono::seconds limit) {
  switch (code) {
    case 1317:  // query interrupted: how MySQL ends some statements at their limit
    case 1969:  // max_statement_time, MariaDB
    case 3024:  // max_execution_time, MySQL
      return Kind::timed_out;
    case 0:     // the connector's own: it was used with a connection that has gone
    case 1047:  // a Galera node outside its cluster
    case 1053:  // the server shuts down
    case 1927:  // connection killed, MariaDB
    case 4031:  // the server closed an idle connection, MySQL
      return Kind::lost;
    default:
      break;
  }
  const bool of_the_client_library = code >= 2000 && code < 3000;  // all about the connection
  if (!of_the_client_library) return Kind::failed;
  return waited >= limit ? Kind::timed_out : Kind::lost;
}

std::string text_of(const sql::SQLException& error) {
  return std::to_string(error.getErrorCode()) + " " + error.what();
}

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
      throw DatabaseError(kind_of(error.getErrorCode(), Clock::now() - begin, settings_.statement_timeout),
                          text_of(error), error.getErrorCode());
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
    std::string reasons;
    for (const DatabaseHost& host : settings_.hosts) {
      try {
        sql::ConnectOptionsMap options = options_for(host);
        connection_.reset(get_driver_instance()->connect(options));
        if (settings_.hosts.size() > 1) refuse_outsider();
        return;
      } catch (const sql::SQLException& error) {
        disconnect();
        reasons += (reasons.empty() ? "" : "; ") + text_of(error);
      }
    }
    throw DatabaseError(Kind::unreachable, reasons);
  }

  /// A Galera node outside its cluster lets clients connect, and then refuses whatever reads a table: the next host may
  /// do better. What else is wrong with this table is for the statements that need it.
  void refuse_outsider() {
    try {
      const std::unique_ptr<sql::Statement> statement{connection_->createStatement()};
      const std::unique_ptr<sql::ResultSet> rows{
          statement->executeQuery("SELECT version FROM schema_migrations LIMIT 0")};
    } catch (const sql::SQLException& error) {
      if (kind_of(error.getErrorCode(), {}, settings_.statement_timeout) == Kind::lost) throw;
    }
  }

  [[nodiscard]] sql::ConnectOptionsMap options_for(const DatabaseHost& host) const {
    sql::ConnectOptionsMap options;
    options["hostName"] =
        host.socket.empty() ? "tcp://" + host.host + ":" + std::to_string(host.port) : "unix://" + host.socket;
    options["userName"] = settings_.user;
    options["password"] = settings_.password;
    options["schema"] = settings_.name;
    options["preInit"] = session_settings();  // before the connector's own SELECT, which sql_big_selects=0 could refuse
    options["OPT_CONNECT_TIMEOUT"] = static_cast<int>(settings_.connect_timeout.count());
    options["OPT_READ_TIMEOUT"] = static_cast<int>(settings_.statement_timeout.count());
    options["OPT_WRITE_TIMEOUT"] = static_cast<int>(settings_.statement_timeout.count());
    if (!settings_.tls_ca.empty()) {
      options["sslCA"] = settings_.tls_ca;
      options["sslEnforce"] = true;
      options["sslVerify"] = true;
    }
    return options;
  }

  /// What the server's defaults may have otherwise. The comments hold what only MariaDB or only MySQL reads. MariaDB's
  /// default of max_sort_length has the length of a text in it, and would sort by the first 1020 bytes; a hoster's
  /// sql_select_limit would cut pages. Snapshots need REPEATABLE READ, which the connector sets.
  [[nodiscard]] std::string session_settings() const {
    const auto milliseconds = std::to_string(
        static_cast<int>(static_cast<double>(settings_.statement_timeout.count()) * 1000 * kServerShare));
    return "SET SESSION max_sort_length=1032,sql_select_limit=18446744073709551615,sql_big_selects=1,sql_mode='' "
           "/*M! " +
           (",max_statement_time=" + milliseconds) + "e-3 */ /*!80000 ,max_execution_time=" + milliseconds + " */";
  }

  DatabaseSettings settings_;
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

void MysqlSession::begin_snapshot() {
  impl_->run([&] {
    impl_->execute_plain("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY");
    impl_->in_snapshot_ = true;
  });
}

void MysqlSession::end_snapshot() noexcept {
  if (!std::exchange(impl_->in_snapshot_, false)) return;
  try {
    impl_->run_connected([&] { impl_->execute_plain("COMMIT"); });
  } catch (const std::exception&) {
    disconnect();  // ends it too, and what it was made for has been read
  }
}

void MysqlSession::disconnect() noexcept { impl_->disconnect(); }

std::chrono::nanoseconds MysqlSession::take_elapsed() { return std::exchange(impl_->elapsed_, {}); }

}  // namespace webhook_calls
