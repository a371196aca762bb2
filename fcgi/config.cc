#include "fcgi/config.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "fcgi/numbers.h"
#include "fcgi/text.h"

namespace webhook_calls {

const char* const kConfigHelp =
    R"(  WEBHOOK_CALLS_DB_HOSTS      where the database is: unix:/path/of/socket, host, host:port or [IPv6]:port; of
                              several, separated by commas, the first that answers, which is tried again while another
                              is in use (127.0.0.1:3306)
  WEBHOOK_CALLS_DB_NAME       its name (webhook_calls)
  WEBHOOK_CALLS_DB_USER       the reader's account (webhook_calls_reader)
  WEBHOOK_CALLS_DB_PASSWORD   its password; or WEBHOOK_CALLS_DB_PASSWORD_FILE, the file that holds it
  WEBHOOK_CALLS_DB_TLS_CA     PEM file of the authority that signed the server's certificate; where set, connections
                              are encrypted and the certificate is verified
  WEBHOOK_CALLS_DB_CONNECT_TIMEOUT    seconds to connect, 1 to 60 (2)
  WEBHOOK_CALLS_DB_STATEMENT_TIMEOUT  seconds for each statement, 1 to 3600 (5)
  WEBHOOK_CALLS_ACCESS        token: each request needs a bearer token (the default);
                              gateway: the web server authenticates and passes the account in ACCOUNT_ID;
                              open: anyone may read everything
  WEBHOOK_CALLS_REDACT_HEADERS  names of recorded headers, separated by commas, whose values are shown, filtered and
                                sorted by as [redacted] (none); recommended:
                                Set-Cookie,Authorization,Proxy-Authorization
)";

namespace {

constexpr std::string_view kPrefix = "WEBHOOK_CALLS_";
/// Of scripts/run; a shell that has them set may start a worker too.
constexpr std::array<std::string_view, 4> kForeign{"PORT", "STATE", "WORKERS", "EXPORT_WORKERS"};

class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& environment) {
    for (const auto& [name, value] : environment) {
      if (name.starts_with(kPrefix)) variables_.emplace(name.substr(kPrefix.size()), value);
    }
  }

  std::string text(const std::string& name, std::string_view fallback) {
    known_.insert(name);
    const auto found = variables_.find(name);
    if (found == variables_.end()) return std::string{fallback};
    if (!found->second.empty()) return found->second;
    fault(name, "must not be empty");
    return std::string{fallback};
  }

  /// From NAME, or from the file that NAME_FILE names, without the line end behind it.
  std::string secret(const std::string& name) {
    const std::string file_name = name + "_FILE";
    known_.insert({name, file_name});
    const auto plain = variables_.find(name);
    const auto file = variables_.find(file_name);
    if (file == variables_.end()) return plain == variables_.end() ? "" : plain->second;
    if (plain != variables_.end()) fault(file_name, "and " + std::string{kPrefix} + name + " cannot both be set");
    std::ifstream stream{file->second, std::ios::binary};
    std::string secret;
    std::getline(stream, secret, '\0');
    if (!stream.is_open() || stream.bad()) fault(file_name, "cannot be read: " + file->second);
    while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
    return secret;
  }

  std::chrono::seconds seconds(const std::string& name, std::uint64_t fallback, std::uint64_t last) {
    const auto value = parse_number(text(name, std::to_string(fallback)));
    if (value && *value >= 1 && *value <= last) return std::chrono::seconds{*value};
    fault(name, "must be a whole number of seconds from 1 to " + std::to_string(last));
    return {};
  }

  void fault(const std::string& name, const std::string& text) {
    faults_ += std::string{kPrefix} + name + " " + text + "\n";
  }

  void finish() {
    for (const auto& [name, value] : variables_) {
      if (!known_.contains(name) && std::ranges::find(kForeign, name) == kForeign.end()) {
        fault(name, "is not a setting; see webhook-calls --help");
      }
    }
    if (!faults_.empty()) throw ConfigError(faults_);
  }

 private:
  std::map<std::string, std::string> variables_;
  std::set<std::string> known_;
  std::string faults_;
};

std::optional<DatabaseHost> parse_host(std::string_view text) {
  constexpr std::string_view kSocket = "unix:";
  constexpr std::uint64_t kMaxPort = 65535;
  DatabaseHost host;
  if (text.starts_with(kSocket)) {
    host.socket = text.substr(kSocket.size());
    return host.socket.starts_with('/') ? std::optional{host} : std::nullopt;
  }
  const bool bracketed = text.starts_with('[');  // an IPv6 address
  const auto end = bracketed ? text.find(']') : text.find(':');
  if (bracketed && end == std::string_view::npos) return std::nullopt;
  host.host = text.substr(0, bracketed ? end + 1 : end);
  std::string_view rest = text.substr(host.host.size());
  if (bracketed) host.host = host.host.substr(1, host.host.size() - 2);
  if (!rest.empty()) {
    const auto port = parse_number(rest.substr(1));
    if (!rest.starts_with(':') || !port || *port == 0 || *port > kMaxPort) return std::nullopt;
    host.port = static_cast<std::uint16_t>(*port);
  }
  return host.host.empty() ? std::nullopt : std::optional{host};
}

std::vector<DatabaseHost> read_hosts(Environment& variables) {
  std::vector<DatabaseHost> hosts;
  const std::string list = variables.text("DB_HOSTS", "127.0.0.1:3306");
  for (const std::string_view text : split(list, ',')) {
    if (const auto host = parse_host(trim(text))) {
      hosts.push_back(*host);
    } else {
      variables.fault("DB_HOSTS", "has a part that is not unix:/path, host, host:port or [IPv6]:port: \"" +
                                      std::string{text} + "\"");
    }
  }
  return hosts;
}

AccessMode read_access(Environment& variables) {
  const std::string mode = variables.text("ACCESS", "token");
  if (mode == "gateway") return AccessMode::gateway;
  if (mode == "open") return AccessMode::open;
  if (mode != "token") variables.fault("ACCESS", "must be token, gateway or open, not \"" + mode + "\"");
  return AccessMode::token;
}

/// RFC 9110 section 5.6.2.
bool is_token(std::string_view name) {
  constexpr std::string_view kTokenCharacters =
      "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  return !name.empty() && name.find_first_not_of(kTokenCharacters) == std::string_view::npos;
}

std::vector<std::string> read_redacted_headers(Environment& variables) {
  std::vector<std::string> names;
  const std::string list = variables.text("REDACT_HEADERS", "");
  if (list.empty()) return names;
  for (const std::string_view part : split(list, ',')) {
    const std::string_view name = trim(part);
    if (is_token(name)) {
      names.emplace_back(name);
    } else {
      variables.fault("REDACT_HEADERS", "has a part that is no name of a header: \"" + std::string{part} + "\"");
    }
  }
  return names;
}

}  // namespace

Config read_config(const std::map<std::string, std::string>& environment) {
  constexpr std::uint64_t kMaxConnectSeconds = 60;
  constexpr std::uint64_t kMaxStatementSeconds = 3600;
  Environment variables{environment};
  Config config;
  config.database.hosts = read_hosts(variables);
  config.database.name = variables.text("DB_NAME", "webhook_calls");
  config.database.user = variables.text("DB_USER", "webhook_calls_reader");
  config.database.password = variables.secret("DB_PASSWORD");
  config.database.tls_ca = variables.text("DB_TLS_CA", "");
  config.database.connect_timeout = variables.seconds("DB_CONNECT_TIMEOUT", 2, kMaxConnectSeconds);
  config.database.statement_timeout = variables.seconds("DB_STATEMENT_TIMEOUT", 5, kMaxStatementSeconds);
  config.access = read_access(variables);
  config.redacted_headers = read_redacted_headers(variables);
  variables.finish();
  return config;
}

}  // namespace webhook_calls
