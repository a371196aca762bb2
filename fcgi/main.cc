#include <malloc.h>
#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "fcgi/config.h"
#include "fcgi/fcgi_exchange.h"
#include "fcgi/service.h"
#include "sql/database_check.h"

namespace webhook_calls {
namespace {

constexpr int kExitUsage = 2;

constexpr std::string_view kUsage = R"(Usage: webhook-calls [--check-config | --help | --version]

Answers GET /api/v3/notification/webhook/:webhook_id/calls and .../calls/:resource_id. Started without options by what
passes it a listening FastCGI socket on descriptor 0 (spawn-fcgi, multiwatch, systemd), or by a web server as a CGI
program. SIGTERM ends it once the answer in the making is complete. The log goes to standard error, one JSON object a
line.

  --check-config  read the settings, connect to the database, check its schema and grants, say what is wrong
  --help          print this
  --version       print the version

Settings, all in the environment (defaults in parentheses):

)";

std::map<std::string, std::string> environment() {
  std::map<std::string, std::string> variables;
  for (char** pair = environ; *pair != nullptr; ++pair) {
    const std::string_view text{*pair};
    const auto equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

/// Each host on its own: that one answers must not hide what is wrong with another.
int check_config(const Config& config) {
  bool faulty = false;
  for (const DatabaseHost& host : config.database.hosts) {
    DatabaseSettings settings = config.database;
    settings.hosts = {host};
    MysqlSession session{settings};
    const DatabaseReport report = check_database(session);
    const std::string at = config.database.hosts.size() > 1 ? name_of(host) + ": " : "";
    for (const std::string& fault : report.faults) std::cerr << "error: " << at << fault << '\n';
    for (const std::string& warning : report.warnings) std::cerr << "warning: " << at << warning << '\n';
    faulty = faulty || !report.faults.empty();
  }
  if (faulty) return EXIT_FAILURE;
  std::cout << "The settings are right: the database answers, with the schema that this program needs.\n";
  return EXIT_SUCCESS;
}

/// Settings of the process that make a request cheaper (measured: tests/bench/RESULTS.md). None is needed: a system
/// that does not know one, or refuses it, goes without.
void tune_process() {
  // Freed memory is kept for the next request, as far as that stays small: by default glibc returns the end of the heap
  // to the system, and asks for it again, several times a request.
#ifdef __GLIBC__
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
#endif
  // A large result arrives 16 KiB at a time. The worker shall not take the processor from the database's thread for
  // each of them. A policy that somebody has chosen stays.
#ifdef SCHED_BATCH
  const sched_param same{};
  if (sched_getscheduler(0) == SCHED_OTHER) (void)sched_setscheduler(0, SCHED_BATCH, &same);
#endif
}

int serve(const Config& config) {
  if (!has_requests()) {
    std::cerr << "webhook-calls: no FastCGI socket on descriptor 0 and no CGI request in the environment. Start it by "
                 "spawn-fcgi, or see webhook-calls --help.\n";
    return kExitUsage;
  }
  tune_process();
  MysqlSession session{config.database};
  Service service{config, session};
  return serve_requests(
      [&](const Request& request, ResponseOutput& output) { return service.answer(request, output); });
}

int run(const std::vector<std::string_view>& arguments) {
  const std::string_view option = arguments.empty() ? std::string_view{} : arguments.front();
  if (option == "--help") {
    std::cout << kUsage << kConfigHelp;
    return EXIT_SUCCESS;
  }
  if (option == "--version") {
    std::cout << "webhook-calls " << WEBHOOK_CALLS_VERSION << '\n';
    return EXIT_SUCCESS;
  }
  if (arguments.size() > 1 || (!option.empty() && option != "--check-config")) {
    std::cerr << "webhook-calls: " << arguments.back() << " is not understood; see webhook-calls --help\n";
    return kExitUsage;
  }
  const Config config = read_config(environment());
  return option.empty() ? serve(config) : check_config(config);
}

}  // namespace
}  // namespace webhook_calls

int main(int argc, char** argv) {
  try {
    return webhook_calls::run({argv + 1, argv + argc});
  } catch (const webhook_calls::ConfigError& error) {
    std::cerr << error.what();
  } catch (const std::exception& error) {
    std::cerr << "webhook-calls: " << error.what() << '\n';
  }
  return EXIT_FAILURE;
}
