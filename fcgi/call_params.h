#pragma once

#include <string_view>

#include "fcgi/query_string.h"
#include "fcgi/route.h"
#include "sql/call_query.h"

namespace webhook_calls {

inline constexpr std::string_view kCallType = "notification/webhook/calls";
inline constexpr std::string_view kWebhookType = "notification/webhooks";

/// Which members the document has, besides the attributes that CallQuery::fields reads.
struct DocumentShape {
  bool relationships = true;  ///< each call's link to its webhook
  bool included = false;      ///< a member `included`, empty maybe
  bool included_webhook = false;
  bool webhook_name = true;  ///< attributes of the included webhook
  bool webhook_url = true;

  friend bool operator==(const DocumentShape&, const DocumentShape&) = default;
};

/// A request's query string, decoded and validated. On the show endpoint only query.webhook_id and query.fields count.
struct CallParams {
  CallQuery query{};
  DocumentShape shape{};
};

/// Throws ApiError (400) with every fault of the query string, those of its parsing first. `is_export`: the answer is
/// the whole list in a file, which has neither pages nor any member but the records.
[[nodiscard]] CallParams decode_call_params(const QueryString& query_string, const Route& route,
                                            bool is_export = false);

}  // namespace webhook_calls
