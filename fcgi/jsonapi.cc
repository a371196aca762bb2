#include "fcgi/jsonapi.h"

#include <optional>
#include <string>

#include "fcgi/links.h"

namespace webhook_calls {
namespace {

void begin_document(JsonWriter& json) {
  json.begin_object();
  json.name("jsonapi");
  json.begin_object();
  json.member("version", "1.1");
  json.end_object();
}

void write_identity(JsonWriter& json, std::string_view type, std::uint64_t id) {
  json.member("type", type);
  json.member("id", std::to_string(id));
}

void write_recorded(JsonWriter& json, CallField field, const std::optional<std::string>& text, CallRows& rows) {
  if (!text) return json.null();
  json.text(*text, [&](std::uint64_t offset) { return rows.text_from(field, offset); });
}

void write_attribute(JsonWriter& json, CallField field, const CallRow& row, CallRows& rows) {
  const std::string_view name = row_of(field).name;
  switch (field) {
    case CallField::id:
    case CallField::webhook_id:
      return;  // never attributes
    case CallField::http_code:
      json.name(name);
      return row.http_code ? json.number(*row.http_code) : json.null();
    case CallField::headers:
      json.name(name);
      return write_recorded(json, field, row.headers, rows);
    case CallField::body:
      json.name(name);
      return write_recorded(json, field, row.body, rows);
    case CallField::created_at:
      return json.member(name, row.created_at);
  }
}

/// The value of `relationships`, which all records of a webhook share; empty where it was not asked for.
std::string make_relationships(const CallRequest& request) {
  std::string relationships;
  if (!request.params.shape.relationships) return relationships;
  JsonWriter json{relationships};
  json.begin_object();
  json.name("webhook");
  json.begin_object();
  json.name("data");
  json.begin_object();
  write_identity(json, kWebhookType, request.webhook.id);
  json.end_object();
  json.end_object();
  json.end_object();
  return relationships;
}

void write_resource(JsonWriter& json, const CallRequest& request, std::string_view relationships, const CallRow& row,
                    CallRows& rows) {
  const FieldSet fields = request.params.query.fields;
  json.begin_object();
  write_identity(json, kCallType, row.id);
  if (!fields.empty()) {
    json.name("attributes");
    json.begin_object();
    for (const CallFieldRow& field : kCallFields) {
      if (fields.has(field.field)) write_attribute(json, field.field, row, rows);
    }
    json.end_object();
  }
  if (!relationships.empty()) {
    json.name("relationships");
    json.raw(relationships);
  }
  json.end_object();
}

/// `linked`: the primary data refer to the webhook.
void write_included(JsonWriter& json, const CallRequest& request, bool linked) {
  const DocumentShape& shape = request.params.shape;
  if (!shape.included) return;
  json.name("included");
  json.begin_array();
  if (linked && shape.included_webhook) {
    json.begin_object();
    write_identity(json, kWebhookType, request.webhook.id);
    if (shape.webhook_name || shape.webhook_url) {
      json.name("attributes");
      json.begin_object();
      if (shape.webhook_name) json.member("name", request.webhook.name);
      if (shape.webhook_url) json.member("url", request.webhook.url);
      json.end_object();
    }
    json.end_object();
  }
  json.end_array();
}

void write_link(JsonWriter& json, std::string_view name, const std::string& link) {
  if (!link.empty()) json.member(name, link);
}

void write_counts(JsonWriter& json, const CountBy& by, const std::vector<CallCount>& counts) {
  json.name("counts");
  json.begin_array();
  for (const CallCount& count : counts) {
    json.begin_object();
    const auto write_code = [&] {
      if (by.codes == 0) return;
      if (!count.code) {
        json.name("http_code");
        json.null();
      } else if (by.codes == 1) {
        json.member("http_code", *count.code);
      } else {
        json.member("http_code", std::to_string(*count.code / by.codes) + "xx");
      }
    };
    if (by.code_first) write_code();
    if (by.seconds != 0) json.member("created_at", count.created_at);
    if (!by.code_first) write_code();
    json.member("count", count.count);
    json.end_object();
  }
  json.end_array();
}

void write_meta(JsonWriter& json, const CallQuery& query, const CallTotals& totals) {
  if (!totals.count && !query.count_by.any()) return;
  json.name("meta");
  json.begin_object();
  if (totals.count) json.member("count", *totals.count);
  if (query.count_by.any()) write_counts(json, query.count_by, totals.counts);
  json.end_object();
}

PageLinks make_links(const CallRequest& request, const PageEnds& ends, bool more, const CallTotals& totals) {
  const CallQuery& query = request.params.query;
  if (query.page_size == 0) return {};
  if (query.position) return ends.links(request.route, request.parameters, more);
  return make_page_links(request.route, request.parameters, query, more, totals.count);
}

}  // namespace

std::uint64_t write_call_list(JsonWriter& json, const Response& response, const CallRequest& request, CallRows& rows,
                              const CallTotals& totals) {
  const std::string relationships = make_relationships(request);
  std::uint64_t written = 0;
  const CallQuery& query = request.params.query;
  PageEnds ends{query};
  begin_document(json);
  json.name("data");
  json.begin_array();
  for (const CallRow* row = rows.next(); row != nullptr; row = rows.next()) {
    write_resource(json, request, relationships, *row, rows);
    ends.add(*row);
    ++written;
    if (!response.wants_more()) return written;
  }
  json.end_array();
  write_included(json, request, written > 0);
  const PageLinks links = make_links(request, ends, rows.more(), totals);
  json.name("links");
  json.begin_object();
  write_link(json, "self", make_self_link(request.route, request.parameters));
  write_link(json, "first", links.first);
  write_link(json, "prev", links.prev);
  write_link(json, "next", links.next);
  write_link(json, "last", links.last);
  json.end_object();
  write_meta(json, query, totals);
  json.end_object();
  return written;
}

std::uint64_t write_call_lines(Response& response, const CallRequest& request, CallRows& rows) {
  const std::string relationships = make_relationships(request);
  JsonWriter json{response};
  std::uint64_t written = 0;
  for (const CallRow* row = rows.next(); row != nullptr; row = rows.next()) {
    json.begin_again();
    write_resource(json, request, relationships, *row, rows);
    response.body() += '\n';
    ++written;
    if (!response.wants_more()) break;
  }
  return written;
}

void write_call(JsonWriter& json, const CallRequest& request, const CallRow& row, CallRows& rows) {
  begin_document(json);
  json.name("data");
  write_resource(json, request, make_relationships(request), row, rows);
  write_included(json, request, true);
  json.name("links");
  json.begin_object();
  write_link(json, "self", make_self_link(request.route, request.parameters));
  json.end_object();
  json.end_object();
}

void write_errors(JsonWriter& json, const ApiError& error, std::string_view request_id) {
  const ErrorKind& kind = error.kind();
  begin_document(json);
  json.name("errors");
  json.begin_array();
  std::size_t number = 0;
  for (const Fault& fault : error.faults()) {
    ++number;
    json.begin_object();
    json.member("id", number == 1 ? std::string{request_id} : std::string{request_id} + "." + std::to_string(number));
    json.member("status", std::to_string(kind.status));
    json.member("code", kind.code);
    json.member("title", kind.title);
    json.member("detail", fault.detail);
    if (kind.status == kInvalidParameter.status || !fault.header.empty()) {
      json.name("source");
      json.begin_object();
      if (fault.header.empty()) {
        json.member("parameter", fault.parameter);
      } else {
        json.member("header", fault.header);
      }
      json.end_object();
    }
    json.end_object();
  }
  json.end_array();
  json.end_object();
}

}  // namespace webhook_calls
