#include "fcgi/media_types.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "fcgi/api_error.h"
#include "fcgi/text.h"

namespace webhook_calls {
namespace {

struct MediaRange {
  std::string_view type;
  std::vector<std::pair<std::string_view, std::string>> parameters{};  ///< without the weight
  bool refused = false;                                                ///< its weight is 0
};

/// Splits at a separator that stands outside quoted strings (RFC 9110, 5.6.4).
std::vector<std::string_view> split_unquoted(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted && text[i] == '\\') ++i;
    if (i < text.size() && !quoted && text[i] == separator) {
      parts.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  parts.push_back(trim(text.substr(begin)));
  return parts;
}

std::string unquote(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return std::string{text};
  std::string plain;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '\\' && i + 2 < text.size()) ++i;
    plain += text[i];
  }
  return plain;
}

/// `0`, `0.`, `0.0` to `0.000`.
bool is_zero_weight(std::string_view weight) {
  return weight.starts_with('0') && weight.find_first_not_of("0.") == std::string_view::npos;
}

/// `q` is a weight in Accept only; elsewhere it is a parameter like any other.
MediaRange parse_media_range(std::string_view text, bool weighted) {
  const std::vector<std::string_view> parts = split_unquoted(text, ';');
  MediaRange range{parts.front()};
  for (const std::string_view part : std::vector(parts.begin() + 1, parts.end())) {
    if (part.empty()) continue;
    const auto equals = std::min(part.find('='), part.size());
    const std::string_view name = trim(part.substr(0, equals));
    const std::string value = unquote(trim(part.substr(std::min(equals + 1, part.size()))));
    if (weighted && equal_ignoring_case(name, "q")) {
      range.refused = is_zero_weight(value);
    } else {
      range.parameters.emplace_back(name, value);
    }
  }
  return range;
}

/// What JSON:API lets us serve: no parameters but profile, which may be ignored, and an ext that names no extension.
bool is_supported(const MediaRange& range) {
  return std::ranges::all_of(range.parameters, [](const auto& parameter) {
    if (equal_ignoring_case(parameter.first, "profile")) return true;
    return equal_ignoring_case(parameter.first, "ext") && trim(parameter.second).empty();
  });
}

}  // namespace

void check_content_type(std::string_view content_type) {
  const MediaRange range = parse_media_range(content_type, false);
  if (!equal_ignoring_case(range.type, kJsonApi) || is_supported(range)) return;
  throw ApiError(
      kUnsupportedMediaType,
      Fault{.detail = "Content-Type names application/vnd.api+json with a parameter or an extension that is not "
                      "supported; only profile may be given.",
            .header = "Content-Type"});
}

void check_accept(std::string_view accept) {
  if (trim(accept).empty()) return;
  std::vector<MediaRange> ranges;
  for (const std::string_view element : split_unquoted(accept, ',')) {
    if (!element.empty()) ranges.push_back(parse_media_range(element, true));
  }
  // The most specific range decides (RFC 9110, 12.5.1), and the JSON:API media type's instances before all others.
  for (const std::vector<std::string_view>& types :
       {std::vector{kJsonApi}, std::vector<std::string_view>{"application/json", "text/html"},
        std::vector<std::string_view>{"application/*"}, std::vector<std::string_view>{"*/*"}}) {
    bool named = false;
    for (const MediaRange& range : ranges) {
      const bool matches =
          std::ranges::any_of(types, [&](std::string_view type) { return equal_ignoring_case(range.type, type); });
      if (matches && !range.refused && (types.front() != kJsonApi || is_supported(range))) return;
      named = named || matches;
    }
    if (named && types.size() == 1) break;  // application/json and text/html are no names of ours to refuse
  }
  throw ApiError(
      kNotAcceptable,
      Fault{.detail = "Accept admits no application/vnd.api+json without parameters other than profile, which is "
                      "the only media type that this resource has.",
            .header = "Accept"});
}

}  // namespace webhook_calls
