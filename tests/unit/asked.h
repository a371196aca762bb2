#pragma once

#include <string>
#include <string_view>

#include "fcgi/call_params.h"
#include "fcgi/jsonapi.h"

namespace webhook_calls {

/// A request of webhook 7, and all that its answer is made from but the records.
struct Asked {
  explicit Asked(std::string_view query_text, Route the_route = {7})
      : route(the_route), query(parse_query_string(query_text)), params(decode_call_params(query, route)) {}

  [[nodiscard]] CallRequest request() const { return {route, query.parameters, params, webhook}; }

  Route route;
  QueryString query;
  CallParams params;
  Webhook webhook{7, "Orders", "https://example.com/hook?a=1&b=2"};
};

}  // namespace webhook_calls
