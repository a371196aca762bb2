#include "sql/database_check.h"

#include <array>
#include <utility>

#include "sql/call_statements.h"
#include "sql/chunk_statements.h"

namespace webhook_calls {
namespace {

void check_version(MysqlSession& session, DatabaseReport& report) {
  constexpr std::uint64_t kExpected = WEBHOOK_CALLS_SCHEMA_VERSION;
  MysqlResult result = session.execute(Statement{"SELECT COALESCE(MAX(version),0) FROM schema_migrations"});
  const std::uint64_t version = result.next() ? result.number(1) : 0;
  if (version == kExpected) return;
  report.faults.push_back("The schema has version " + std::to_string(version) + ", this program needs " +
                          std::to_string(kExpected) +
                          (version < kExpected ? ": run scripts/migrate." : ": install the program's newer version."));
}

/// `webhooks` may be a view over a platform's own table, so it is looked at what it gives. A text in place of a number
/// would be a danger: '12ab' equals 12, which is another account.
void check_webhooks(MysqlSession& session, DatabaseReport& report) {
  try {
    (void)session.execute(Statement{"SELECT id,account_id,name,url FROM webhooks LIMIT 0"});
    MysqlResult types = session.execute(
        Statement{"SELECT CONCAT(column_name,' as ',column_type) FROM information_schema.columns"
                  " WHERE table_schema=DATABASE() AND table_name='webhooks'"
                  " AND ((column_name IN ('id','account_id')"
                  " AND data_type NOT IN ('tinyint','smallint','mediumint','int','bigint'))"
                  " OR (column_name IN ('name','url')"
                  " AND data_type NOT IN ('char','varchar','tinytext','text','mediumtext','longtext')))"});
    while (types.next()) {
      report.faults.push_back("webhooks gives " + types.text(1) +
                              ": id and account_id must be whole numbers, name and url texts.");
    }
    MysqlResult incomplete =
        session.execute(Statement{"SELECT COALESCE(id,'NULL') FROM webhooks"
                                  " WHERE id IS NULL OR account_id IS NULL OR name IS NULL OR url IS NULL LIMIT 1"});
    if (incomplete.next()) {
      report.faults.push_back("webhooks gives a NULL for webhook " + incomplete.text(1) +
                              ": the view must leave such rows out, or put COALESCE(name, '') for it.");
    }
  } catch (const DatabaseError& error) {
    report.faults.push_back(
        "The account cannot read webhooks, which must give id, account_id, name and url (where it is a view, README.md "
        "says what it needs): " +
        std::string{error.what()});
  }
}

void check_reading(MysqlSession& session, DatabaseReport& report) {
  CallQuery query;
  query.page_size = 1;
  const CallScope nothing{"9999-12-31 23:59:59.999", {}};
  query.filters = {{.field = CallField::http_code, .values = {std::uint64_t{0}}}};
  const std::array<std::pair<std::string, Statement>, 5> statements{{
      {"webhooks and webhook_call_chunks", select_access(Anyone{}, 0)},
      {"api_tokens and webhooks", select_access(TokenHash{}, 0)},
      {"webhook_calls", select_page(query, {.scope = nothing})},
      {"webhook_calls", count_calls(query, nothing)},
      {"webhook_call_chunk_codes", sum_whole_chunks({query, nothing.cutoff})},
  }};
  for (const auto& [tables, statement] : statements) {
    try {
      (void)session.execute(statement);
    } catch (const DatabaseError& error) {
      report.faults.push_back("The account cannot read " + tables + " as it needs to: " + error.what());
    }
  }
}

/// Tries, in a transaction that cannot write and for no rows: what is left to refuse it is a missing privilege.
void check_not_writing(MysqlSession& session, DatabaseReport& report) {
  constexpr int kReadOnlyTransaction = 1792;
  for (const Sql attempt : {Sql{"DELETE FROM webhook_calls WHERE FALSE"}, Sql{"DELETE FROM api_tokens WHERE FALSE"},
                            Sql{"DELETE FROM webhooks WHERE FALSE"}}) {
    bool allowed = false;
    try {
      const Snapshot snapshot{session};
      (void)session.execute(Statement{attempt});
      allowed = true;
    } catch (const DatabaseError& error) {
      allowed = error.code() == kReadOnlyTransaction;
    }
    if (!allowed) continue;
    report.warnings.emplace_back(
        "The account may write to the database. The workers only read: give them an account "
        "with the role webhook_calls_reader.");
    return;
  }
}

}  // namespace

DatabaseReport check_database(MysqlSession& session) {
  DatabaseReport report;
  try {
    check_version(session, report);
  } catch (const DatabaseError& error) {
    const bool reached = error.kind() == DatabaseError::Kind::failed;
    report.faults.push_back((reached
                                 ? "The schema's version cannot be read (run scripts/migrate, and see the grants in "
                                   "sql/roles.sql): "
                                 : "The database cannot be reached: ") +
                            std::string{error.what()});
    return report;
  }
  check_webhooks(session, report);
  check_reading(session, report);
  check_not_writing(session, report);
  return report;
}

}  // namespace webhook_calls
