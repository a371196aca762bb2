#include <string>

#include "fcgi/api_error.h"
#include "fcgi/media_types.h"
#include "tests/fuzz/fuzz.h"

/// An Accept or a Content-Type.
namespace webhook_calls {
namespace {

/// 200, or the status of the refusal.
int status_of(void (*check)(std::string_view), std::string_view value) {
  try {
    check(value);
    return 200;
  } catch (const ApiError& error) {
    require(error.faults().size() == 1 && !error.faults().front().detail.empty(), "a refusal has its words");
    return error.kind().status;
  }
}

}  // namespace

void run(std::string_view input) {
  const int accept = status_of(check_accept, input);
  const int content_type = status_of(check_content_type, input);
  require(accept == 200 || accept == 406, "an Accept is served or a 406");
  require(content_type == 200 || content_type == 415, "a Content-Type is served or a 415");
  if (input.find('"') != std::string_view::npos) return;  // may be left open
  const std::string text{input};
  require(status_of(check_accept, text + ",application/vnd.api+json") == 200, "one plain instance is enough");
  require(status_of(check_content_type, "application/vnd.api+json;charset=" + text) == 415, "a foreign parameter");
  require(status_of(check_content_type, "application/vnd.api+json;profile=\"" + text + "\"") == 200 ||
              text.find('\\') != std::string::npos,
          "a profile, whichever");
}

}  // namespace webhook_calls
