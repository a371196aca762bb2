#include <map>
#include <regex>

#include "fcgi/request.h"
#include "fcgi/request_log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/reference_utf8.h"

/// A request's parameters, a line each, and what the log says of it.
namespace webhook_calls {

void run(std::string_view input) {
  static const std::regex kId{"[-_0-9A-Za-z]{1,64}"};
  std::map<std::string, std::string, std::less<>> parameters;
  for (std::string_view rest = input; !rest.empty();) {
    std::string_view value = take_until(rest, '\n');
    const std::string_view name = take_until(value, '=');
    parameters.emplace(name, value);
  }
  const auto sent = [&](std::string_view name) {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string{} : found->second;
  };
  const Request request = read_request(sent);
  require(std::regex_match(request.id, kId), "an id that is safe in a header, a log and JSON");
  const std::string id = sent("REQUEST_ID");
  require(id.size() > 64 || !std::regex_match(id, kId) || request.id == id, "the web server's id");
  const std::string path = sent("DOCUMENT_URI"), uri = sent("REQUEST_URI");
  require(request.path == (path.empty() ? uri.substr(0, uri.find('?')) : path), "the path");
  require(request.query_string == sent("QUERY_STRING"), "the query string as it was sent");
  require(request.method == sent("REQUEST_METHOD") && request.account_id == sent("ACCOUNT_ID") &&
              request.accept == sent("HTTP_ACCEPT") && request.authorization == sent("HTTP_AUTHORIZATION") &&
              request.content_type == sent("CONTENT_TYPE") && request.if_none_match == sent("HTTP_IF_NONE_MATCH"),
          "each from its own parameter");

  const RequestRecord record{.request_id = request.id, .method = request.method, .error = std::string{input}};
  const std::string line = format_log_line(record, std::chrono::system_clock::time_point{});
  require(line.find('\n') == line.size() - 1, "one line");
  const rapidjson::Document json = json_of(line);
  require(text_of(json["request_id"]) == request.id, "the log has the id");
  require(input.empty() || text_of(json["error"]) == reference_utf8(input), "whatever was said");
}

}  // namespace webhook_calls
