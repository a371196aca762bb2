#pragma once

#include <string_view>

namespace webhook_calls {

inline constexpr std::string_view kJsonApi = "application/vnd.api+json";

/// JSON:API 1.1, "Content Negotiation": throws ApiError (415) where the header field names the JSON:API media type with
/// a parameter other than ext and profile, or with an extension (we support none).
void check_content_type(std::string_view content_type);

/// The same section's rules for Accept; throws ApiError (406). Without JSON:API media types in it, application/json,
/// text/html, application/* and */* are served too. A weight of 0 refuses (RFC 9110, 12.4.2). Empty: all is served.
void check_accept(std::string_view accept);

}  // namespace webhook_calls
