#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "sql/database.h"

namespace webhook_calls {

/// Who may read (contract: README, "Who may read").
enum class AccessMode : std::uint8_t {
  token,    ///< each request carries a bearer token
  gateway,  ///< the web server has authenticated, and names the account in the parameter ACCOUNT_ID
  open,     ///< anyone may read everything
};

struct Config {
  DatabaseSettings database{};
  AccessMode access = AccessMode::token;
  std::vector<std::string> redacted_headers{};  ///< names of header fields whose recorded values are not shown
};

/// Its text has one line for each fault.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Reads WEBHOOK_CALLS_* from an environment; kConfigHelp describes them. Throws ConfigError with all faults, an
/// unknown WEBHOOK_CALLS_* among them.
[[nodiscard]] Config read_config(const std::map<std::string, std::string>& environment);

/// The variables, one paragraph each, for --help.
extern const char* const kConfigHelp;

}  // namespace webhook_calls
