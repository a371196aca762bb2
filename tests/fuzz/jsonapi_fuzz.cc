#include "fcgi/jsonapi.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/asked.h"
#include "tests/unit/recording.h"
#include "tests/unit/reference_utf8.h"

/// A query string, then recorded headers, a body and a webhook's name, a line each: the documents, of texts that come
/// in pieces, say what was recorded and what was asked for.
namespace webhook_calls {
namespace {

constexpr const char* kAttributes[] = {"http_code", "headers", "body", "created_at"};
constexpr CallField kFields[] = {CallField::http_code, CallField::headers, CallField::body, CallField::created_at};

void check_resource(const rapidjson::Value& resource, const Asked& asked, const CallRow& row) {
  const FieldSet fields = asked.params.query.fields;
  require(resource.HasMember("attributes") != fields.empty(), "attributes, where there are any");
  require(resource.HasMember("relationships") == asked.params.shape.relationships, "the link to the webhook");
  require(text_of(resource["id"]) == std::to_string(row.id), "the id");
  for (std::size_t i = 0; i < std::size(kFields) && !fields.empty(); ++i) {
    require(resource["attributes"].HasMember(kAttributes[i]) == fields.has(kFields[i]), "the fields asked for");
  }
  if (fields.has(CallField::headers)) {
    require(text_of(resource["attributes"]["headers"]) == reference_utf8(*row.headers), "the headers");
  }
  if (fields.has(CallField::body)) {
    require(text_of(resource["attributes"]["body"]) == reference_utf8(*row.body), "the body");
  }
}

void check_document(std::string_view text, const Asked& asked, const CallRow& row) {
  const rapidjson::Document document = json_of(text.substr(text.find("\r\n\r\n") + 4));
  const DocumentShape& shape = asked.params.shape;
  require(document.HasMember("included") == shape.included, "included where it was asked for");
  if (shape.included_webhook && shape.webhook_name) {
    const std::string_view name = text_of(document["included"][0]["attributes"]["name"]);
    require(name == reference_utf8(asked.webhook.name), "the webhook's name");
  }
  const rapidjson::Value& data = document["data"];
  if (!data.IsArray()) return check_resource(data, asked, row);
  require(data.Size() == 2, "both records");
  for (const rapidjson::Value& resource : data.GetArray()) check_resource(resource, asked, row);
}

/// Two lines, each of which is in the list.
void check_lines(const std::string& list, const Asked& asked, const CallRow& row) {
  Recording output;
  Response response{output, false};
  ListedRows rows{{row, row}};
  require(write_call_lines(response, asked.request(), rows) == 2, "both written");
  response.finish();
  std::string_view lines = std::string_view{output.text}.substr(output.text.find("\r\n\r\n") + 4);
  const std::string_view first = take_until(lines, '\n'), second = take_until(lines, '\n');
  require(lines.empty() && first == second, "two lines");
  require(list.find("[" + std::string{first} + "," + std::string{second} + "]") != std::string::npos, "as in the list");
}

}  // namespace

void run(std::string_view input) {
  const std::string_view query = take_until(input, '\n');
  const std::size_t piece = 1 + input.size() / 5;
  const std::string headers{take_until(input, '\n')}, body{take_until(input, '\n')};
  for (const Route& route : {Route{7}, Route{7, 1842}}) {
    try {
      Asked asked{query, route};
      asked.webhook.name = input;
      const CallRow row{.id = 1842, .http_code = 200, .headers = headers, .body = body, .created_at = "now"};
      Recording output;
      Response response{output, false};
      JsonWriter json{response};
      ListedRows rows{{row, row}, true, piece};
      if (route.call_id) {
        write_call(json, asked.request(), *rows.next(), rows);
      } else {
        require(write_call_list(json, response, asked.request(), rows, {2, {{}}}) == 2, "both written");
      }
      response.finish();
      check_document(output.text, asked, row);
      if (!route.call_id) check_lines(output.text, asked, row);
    } catch (const ApiError&) {  // call_params_fuzz looks at these
    }
  }
}

}  // namespace webhook_calls
