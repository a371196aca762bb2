#include <regex>

#include "fcgi/config.h"
#include "tests/fuzz/fuzz.h"

/// An environment, a variable a line, against patterns.
namespace webhook_calls {
namespace {

using Environment = std::map<std::string, std::string>;
const std::string kPrefix = "WEBHOOK_CALLS_";

std::string faults(const Environment& environment) {
  try {
    (void)read_config(environment);
    return {};
  } catch (const ConfigError& error) {
    return error.what();
  }
}

bool is_host(const std::string& text) {
  static const std::regex kHost{
      "[ \\t]*(unix:/[^]*|(\\[[^\\]]+\\]|(?!unix:)[^\\[: \t][^:]*)(:0*([0-9]{1,5}))?)[ \\t]*"};
  std::smatch match;
  if (!std::regex_match(text, match, kHost)) return false;
  return !match[3].matched || (std::stoi(match[4]) >= 1 && std::stoi(match[4]) <= 65535);
}

bool is_seconds(const std::string& text, int last) {
  static const std::regex kSeconds{"0*([1-9][0-9]{0,3})"};
  std::smatch match;
  return std::regex_match(text, match, kSeconds) && std::stoi(match[1]) <= last;
}

/// Of names of headers (RFC 9110 section 5.6.2).
bool is_list_of_tokens(const std::string& text) {
  static const std::regex kTokens{"([ \\t]*[-!#$%&'*+.^_`|~0-9A-Za-z]+[ \\t]*(,(?!$)|$))+"};
  return std::regex_match(text, kTokens);
}

/// Whether the variable, without its prefix, has a value that can be used.
bool is_good(const std::string& name, const std::string& value) {
  static const std::regex kFree{"DB_(NAME|USER|TLS_CA)"}, kForeign{"PORT|STATE|WORKERS|EXPORT_WORKERS|DB_PASSWORD"};
  if (std::regex_match(name, kForeign)) return true;
  if (std::regex_match(name, kFree)) return !value.empty();
  if (name == "ACCESS") return value == "token" || value == "gateway" || value == "open";
  if (name == "DB_CONNECT_TIMEOUT") return is_seconds(value, 60);
  if (name == "DB_STATEMENT_TIMEOUT") return is_seconds(value, 3600);
  if (name == "REDACT_HEADERS") return is_list_of_tokens(value);
  if (name != "DB_HOSTS" || value.ends_with(',')) return false;
  bool good = !value.empty();
  for (std::string_view rest = value; !rest.empty();) good &= is_host(std::string{take_until(rest, ',')});
  return good;
}

}  // namespace

void run(std::string_view input) {
  Environment environment;
  // The library's matcher recurses; an environment has no NUL.
  if (input.size() > 1000 || input.find('\0') != std::string_view::npos) return;
  for (std::string_view rest = input; !rest.empty();) {
    std::string_view value = take_until(rest, '\n');
    const std::string name{take_until(value, '=')};
    const bool opens_a_file = name == kPrefix + "DB_PASSWORD_FILE";
    if (!opens_a_file && name.find(' ') == std::string::npos) environment.emplace(name, value);
  }
  const std::string text = faults(environment);
  for (const auto& [name, value] : environment) {
    const bool good = !name.starts_with(kPrefix) || is_good(name.substr(kPrefix.size()), value);
    require((("\n" + text).find("\n" + name + " ") == std::string::npos) == good, "a fault for each that has one");
  }
  require(text.empty() || (text.starts_with(kPrefix) && text.ends_with('\n')), "lines that begin with the variable");
  environment[kPrefix + "DB_PASSWORD"] += "another";
  require(faults(environment) == text, "a password that nobody reads");
  if (!text.empty()) return;
  const DatabaseSettings database = read_config(environment).database;
  require(!database.hosts.empty() && !database.name.empty() && !database.user.empty(), "somewhere to connect to");
  for (const DatabaseHost& host : database.hosts) {
    require(host.socket.empty() != host.host.empty() && host.port >= 1, "a socket or a host");
  }
}

}  // namespace webhook_calls
