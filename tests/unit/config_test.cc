#include "fcgi/config.h"

#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>

namespace webhook_calls {
namespace {

using Environment = std::map<std::string, std::string>;

/// One line for each fault; empty where there is none.
std::string faults(const Environment& environment) {
  try {
    static_cast<void>(read_config(environment));
    return {};
  } catch (const ConfigError& error) {
    return error.what();
  }
}

/// `socket`, `host:port` of all hosts, or `fault`.
std::string shown_hosts(const std::string& value) {
  const Environment environment{{"WEBHOOK_CALLS_DB_HOSTS", value}};
  if (!faults(environment).empty()) return "fault";
  std::string text;
  for (const DatabaseHost& host : read_config(environment).database.hosts) {
    if (!text.empty()) text += ' ';
    text += host.socket.empty() ? host.host + ":" + std::to_string(host.port) : host.socket + host.host;
  }
  return text;
}

/// A file of its own that vanishes with it.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content)
      : path_(std::filesystem::temp_directory_path() / ("config_test." + std::to_string(::getpid()))) {
    std::ofstream{path_, std::ios::binary} << content;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(config_test)

BOOST_AUTO_TEST_CASE(defaults) {
  // what belongs to scripts/run, or to nobody, is passed over
  for (const Environment& environment : {Environment{}, Environment{{"PATH", "/bin"},
                                                                    {"WEBHOOK", "x"},
                                                                    {"webhook_calls_db_name", "x"},
                                                                    {"WEBHOOK_CALLS_PORT", "8080"},
                                                                    {"WEBHOOK_CALLS_STATE", "var"},
                                                                    {"WEBHOOK_CALLS_WORKERS", "4"}}}) {
    const Config config = read_config(environment);
    BOOST_TEST_REQUIRE(config.database.hosts.size() == 1U);
    BOOST_TEST(config.database.hosts.front().host == "127.0.0.1");
    BOOST_TEST(config.database.hosts.front().port == 3306);
    BOOST_TEST(config.database.hosts.front().socket.empty());
    BOOST_TEST(config.database.name == "webhook_calls");
    BOOST_TEST(config.database.user == "webhook_calls_reader");
    BOOST_TEST(config.database.password.empty());
    BOOST_TEST(config.database.tls_ca.empty());
    BOOST_TEST(config.database.connect_timeout.count() == 2);
    BOOST_TEST(config.database.statement_timeout.count() == 5);
    BOOST_TEST((config.access == AccessMode::token));
  }
}

BOOST_AUTO_TEST_CASE(everything_set) {
  const Config config = read_config({{"WEBHOOK_CALLS_DB_HOSTS", "db1,db2:3307"},
                                     {"WEBHOOK_CALLS_DB_NAME", "n"},
                                     {"WEBHOOK_CALLS_DB_USER", "u"},
                                     {"WEBHOOK_CALLS_DB_PASSWORD", " p\n"},
                                     {"WEBHOOK_CALLS_DB_TLS_CA", "/ca.pem"},
                                     {"WEBHOOK_CALLS_DB_CONNECT_TIMEOUT", "60"},
                                     {"WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT", "3600"},
                                     {"WEBHOOK_CALLS_ACCESS", "gateway"}});
  BOOST_TEST(config.database.hosts.size() == 2U);
  BOOST_TEST(config.database.name == "n");
  BOOST_TEST(config.database.user == "u");
  BOOST_TEST(config.database.password == " p\n");
  BOOST_TEST(config.database.tls_ca == "/ca.pem");
  BOOST_TEST(config.database.connect_timeout.count() == 60);
  BOOST_TEST(config.database.statement_timeout.count() == 3600);
  BOOST_TEST((config.access == AccessMode::gateway));
  BOOST_TEST((read_config({{"WEBHOOK_CALLS_ACCESS", "open"}}).access == AccessMode::open));
  const std::vector<std::string> names{"Set-Cookie", "X-Key", "a!#$%&'*+-.^_`|~0Z"};
  BOOST_TEST(
      read_config({{"WEBHOOK_CALLS_REDACT_HEADERS", "Set-Cookie, X-Key,a!#$%&'*+-.^_`|~0Z"}}).redacted_headers == names,
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(hosts) {
  const struct {
    std::string value, expected;
  } rows[] = {
      {"db", "db:3306"},
      {"db:3307", "db:3307"},
      {"db.example.com:1", "db.example.com:1"},
      {"10.0.0.1:65535", "10.0.0.1:65535"},
      {"unix:/run/db.sock", "/run/db.sock"},
      {"[::1]", "::1:3306"},
      {"[fe80::1]:3307", "fe80::1:3307"},
      {" a , b:2,unix:/c ", "a:3306 b:2 /c"},
      {"unix:db.sock", "fault"},
      {"unix:", "fault"},
      {"db:", "fault"},
      {"db:0", "fault"},
      {"db:65536", "fault"},
      {"db:33o6", "fault"},
      {"db:-1", "fault"},
      {"db:1:2", "fault"},
      {":3306", "fault"},
      {"::1", "fault"},
      {"[::1", "fault"},
      {"[", "fault"},
      {"[]", "fault"},
      {"[]:3306", "fault"},
      {"[::1]3306", "fault"},
      {"[::1]:", "fault"},
      {"", "fault"},
      {"a,,b", "fault"},
      {"a,", "fault"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT('"' << row.value << '"') { BOOST_TEST(shown_hosts(row.value) == row.expected); }
  }
}

BOOST_AUTO_TEST_CASE(password_file) {
  const struct {
    std::string content, password;
  } rows[] = {{"secret", "secret"}, {"secret\n", "secret"}, {"secret\r\n", "secret"}, {" a b ", " a b "}, {"", ""}};
  for (const auto& row : rows) {
    const TemporaryFile file{row.content};
    BOOST_TEST(read_config({{"WEBHOOK_CALLS_DB_PASSWORD_FILE", file.path()}}).database.password == row.password);
  }
  BOOST_TEST(faults({{"WEBHOOK_CALLS_DB_PASSWORD_FILE", "/nonexistent"}}).find("_PASSWORD_FILE") != std::string::npos);
  BOOST_TEST(faults({{"WEBHOOK_CALLS_DB_PASSWORD_FILE", "/tmp"}}).find("_PASSWORD_FILE") != std::string::npos);
  const TemporaryFile file{"from the file"};
  const std::string both =
      faults({{"WEBHOOK_CALLS_DB_PASSWORD_FILE", file.path()}, {"WEBHOOK_CALLS_DB_PASSWORD", "given twice"}});
  BOOST_TEST(both.find("_PASSWORD_FILE") != std::string::npos);
  BOOST_TEST(both.find("from the file") == std::string::npos);
  BOOST_TEST(both.find("given twice") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(one_fault_is_one_line_with_its_name) {
  const struct {
    std::string name;
    std::vector<std::string> values;
  } rows[] = {
      {"DB_HOSTS", {"", "db:x"}},
      {"DB_NAME", {""}},
      {"DB_USER", {""}},
      {"DB_TLS_CA", {""}},
      {"DB_CONNECT_TIMEOUT", {"", "0", "61", "-1", "2s", "1.5", " 2", "99999999999999999999"}},
      {"DB_STATEMENT_TIMEOUT", {"", "0", "3601", "5m"}},
      {"ACCESS", {"", "Token", "none", "open "}},
      {"REDACT_HEADERS", {"", "A,", "A B", "A:", "é", "A,,B", "(A)"}},
      {"DB_HOST", {"db", ""}},
      {"DB_PORT", {"3306"}},
      {"NAME_FILE", {"x"}},
      {"DB_NAME_FILE", {"x"}},
      {"", {"x"}},
      {"PORTS", {"8080"}},
  };
  for (const auto& row : rows) {
    for (const std::string& value : row.values) {
      BOOST_TEST_CONTEXT(row.name << "=" << value) {
        const std::string text = faults({{"WEBHOOK_CALLS_" + row.name, value}});
        BOOST_TEST(text.find("WEBHOOK_CALLS_" + row.name + " ") == 0U);
        BOOST_TEST(std::ranges::count(text, '\n') == 1);
        BOOST_TEST(text.ends_with('\n'));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(all_faults_in_one_message) {
  const std::string text = faults({{"WEBHOOK_CALLS_DB_HOSTS", "a,b:x,:1"},
                                   {"WEBHOOK_CALLS_DB_NAME", ""},
                                   {"WEBHOOK_CALLS_DB_PASSWORD_FILE", "/nonexistent"},
                                   {"WEBHOOK_CALLS_DB_CONNECT_TIMEOUT", "0"},
                                   {"WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT", "x"},
                                   {"WEBHOOK_CALLS_ACCESS", "x"},
                                   {"WEBHOOK_CALLS_TYPO", "x"}});
  BOOST_TEST(std::ranges::count(text, '\n') == 8);
  for (const char* name :
       {"DB_HOSTS", "DB_NAME", "DB_PASSWORD_FILE", "DB_CONNECT_TIMEOUT", "DB_STATEMENT_TIMEOUT", "ACCESS", "TYPO"}) {
    BOOST_TEST(text.find(std::string{"WEBHOOK_CALLS_"} + name) != std::string::npos, name);
  }
}

BOOST_AUTO_TEST_CASE(help_describes_each_variable) {
  const std::string help = kConfigHelp;
  for (const char* name : {"DB_HOSTS", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_PASSWORD_FILE", "DB_TLS_CA",
                           "DB_CONNECT_TIMEOUT", "DB_STATEMENT_TIMEOUT", "ACCESS"}) {
    BOOST_TEST(help.find(std::string{"WEBHOOK_CALLS_"} + name) != std::string::npos, name);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
