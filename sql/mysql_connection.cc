#include "sql/mysql_connection.h"

#include <cppconn/driver.h>
#include <cppconn/resultset.h>
#include <cppconn/statement.h>

namespace webhook_calls {
namespace {

using Kind = DatabaseError::Kind;

/// The server is asked to stop a statement a little before the client stops waiting, so that it is the statement that
/// ends and not the connection, which would leave the statement running.
constexpr double kServerShare = 0.95;

/// What the server's defaults may have otherwise. The comments hold what only MariaDB or only MySQL reads. MariaDB's
/// default of max_sort_length has the length of a text in it, and would sort by the first 1020 bytes; a hoster's
/// sql_select_limit would cut pages. Snapshots need REPEATABLE READ, which the connector sets.
std::string session_settings(std::chrono::seconds statement_timeout) {
  const auto milliseconds =
      std::to_string(static_cast<int>(static_cast<double>(statement_timeout.count()) * 1000 * kServerShare));
  return "SET SESSION max_sort_length=1032,sql_select_limit=18446744073709551615,sql_big_selects=1,sql_mode='' "
         "/*M! " +
         (",max_statement_time=" + milliseconds) + "e-3 */ /*!80000 ,max_execution_time=" + milliseconds + " */";
}

sql::ConnectOptionsMap options_for(const DatabaseSettings& settings, const DatabaseHost& host) {
  sql::ConnectOptionsMap options;
  options["hostName"] =
      host.socket.empty() ? "tcp://" + host.host + ":" + std::to_string(host.port) : "unix://" + host.socket;
  options["userName"] = settings.user;
  options["password"] = settings.password;
  options["schema"] = settings.name;
  // Before the connector's own SELECT, which sql_big_selects=0 could refuse.
  options["preInit"] = session_settings(settings.statement_timeout);
  options["OPT_CONNECT_TIMEOUT"] = static_cast<int>(settings.connect_timeout.count());
  options["OPT_READ_TIMEOUT"] = static_cast<int>(settings.statement_timeout.count());
  options["OPT_WRITE_TIMEOUT"] = static_cast<int>(settings.statement_timeout.count());
  if (!settings.tls_ca.empty()) {
    options["sslCA"] = settings.tls_ca;
    options["sslEnforce"] = true;
    options["sslVerify"] = true;
  }
  return options;
}

/// A Galera node outside its cluster lets clients connect, and then refuses whatever reads a table; a host that was not
/// set up has no tables: the next host may do better. What else is wrong with this one is for the statements that need
/// it.
void refuse_useless_host(sql::Connection& connection) {
  constexpr int kNoSuchTable = 1146;
  try {
    const std::unique_ptr<sql::Statement> statement{connection.createStatement()};
    const std::unique_ptr<sql::ResultSet> rows{
        statement->executeQuery("SELECT version FROM schema_migrations LIMIT 0")};
  } catch (const sql::SQLException& error) {
    const int code = error.getErrorCode();
    if (kind_of(code) == Kind::lost || code == kNoSuchTable) throw;
  }
}

}  // namespace

std::unique_ptr<sql::Connection> open_connection(const DatabaseSettings& settings, const DatabaseHost& host,
                                                 bool among_others) {
  sql::ConnectOptionsMap options = options_for(settings, host);
  std::unique_ptr<sql::Connection> connection{get_driver_instance()->connect(options)};
  if (among_others) refuse_useless_host(*connection);
  return connection;
}

Kind kind_of(int code) {
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
      return is_of_client_library(code) ? Kind::lost : Kind::failed;
  }
}

std::string text_of(const sql::SQLException& error) {
  return std::to_string(error.getErrorCode()) + " " + error.what();
}

}  // namespace webhook_calls
