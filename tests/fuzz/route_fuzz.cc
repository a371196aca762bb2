#include <regex>
#include <string>

#include "fcgi/api_error.h"
#include "fcgi/route.h"
#include "tests/fuzz/fuzz.h"

/// A path: it is found where the pattern has it and its numbers fit, and has one spelling.
namespace webhook_calls {

void run(std::string_view input) {
  static const std::regex kPattern{"/api/v3/notification/webhook/(0|[1-9][0-9]*)/calls(?:/(0|[1-9][0-9]*))?"};
  const std::string path{input};
  std::smatch match;
  const auto fits = [](const std::string& number) {
    return number.size() < 20 || (number.size() == 20 && number <= "18446744073709551615");
  };
  const bool expected = std::regex_match(path, match, kPattern) && fits(match[1]) && fits(match[2]);
  try {
    const Route route = parse_route(path);
    require(expected, "only what the pattern has is found");
    require(route.path() == path, "a resource has one path");
  } catch (const ApiError& error) {
    require(!expected, "what the pattern has is found");
    require(error.kind().status == 404 && error.faults().size() == 1, "all else is a 404");
  }
}

}  // namespace webhook_calls
