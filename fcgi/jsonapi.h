#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "fcgi/api_error.h"
#include "fcgi/call_params.h"
#include "fcgi/json_writer.h"
#include "fcgi/query_string.h"
#include "fcgi/route.h"
#include "sql/call_row.h"

/// The three documents, and lines of resources (JSON:API 1.1, "Document Structure").
namespace webhook_calls {

/// What a request asked for, once it is known to be allowed.
struct CallRequest {
  const Route& route;
  const std::vector<Parameter>& parameters;
  const CallParams& params;
  const Webhook& webhook;
};

/// Pulls and writes the page's records until there are no more, or the response wants no more. Returns how many records
/// it wrote.
std::uint64_t write_call_list(JsonWriter& json, const Response& response, const CallRequest& request, CallRows& rows,
                              const CallTotals& totals);

/// The same records as lines, each of which is what the list's `data` has of one (NDJSON).
std::uint64_t write_call_lines(Response& response, const CallRequest& request, CallRows& rows);

/// `row`: what `rows` gave last.
void write_call(JsonWriter& json, const CallRequest& request, const CallRow& row, CallRows& rows);

/// `request_id` becomes the errors' id, with .2, .3 … from the second on.
void write_errors(JsonWriter& json, const ApiError& error, std::string_view request_id);

}  // namespace webhook_calls
