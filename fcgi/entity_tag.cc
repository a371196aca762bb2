#include "fcgi/entity_tag.h"

#include "fcgi/links.h"
#include "fcgi/sha256.h"
#include "fcgi/text.h"

namespace webhook_calls {

std::string make_entity_tag(const CallRequest& request) {
  constexpr std::size_t kDigits = 32;  // 128 bits
  std::string identity{WEBHOOK_CALLS_VERSION};
  for (const std::string& part : {make_self_link(request.route, request.parameters), request.webhook.name,
                                  request.webhook.url, request.params.query.redaction}) {
    identity += '\0';
    identity += part;
  }
  return '"' + sha256_hex(identity).substr(0, kDigits) + '"';
}

bool matches_entity_tag(std::string_view if_none_match, std::string_view tag) {
  for (std::string_view candidate : split(if_none_match, ',')) {  // our tags have no comma in them
    candidate = trim(candidate);
    if (candidate == "*") return true;
    if (candidate.starts_with("W/")) candidate.remove_prefix(2);
    if (candidate == tag) return true;
  }
  return false;
}

}  // namespace webhook_calls
