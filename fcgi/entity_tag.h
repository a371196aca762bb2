#pragma once

#include <string>
#include <string_view>

#include "fcgi/jsonapi.h"

namespace webhook_calls {

/// A strong ETag (RFC 9110, 8.8.3) for the document of one call. A record never changes, so that its address, what was
/// asked of it, the webhook's attributes and this program's version tell all that the document depends on.
[[nodiscard]] std::string make_entity_tag(const CallRequest& request);

/// Whether If-None-Match names the tag or `*`. The comparison is weak (RFC 9110, 13.1.2): nginx marks a tag as weak
/// where it compresses.
[[nodiscard]] bool matches_entity_tag(std::string_view if_none_match, std::string_view tag);

}  // namespace webhook_calls
