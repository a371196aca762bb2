#pragma once

#include <cstdint>
#include <string_view>

namespace webhook_calls {

inline constexpr std::string_view kJsonApi = "application/vnd.api+json";

/// JSON:API 1.1, "Content Negotiation": throws ApiError (415) where the header field names the JSON:API media type with
/// a parameter other than ext and profile, or with an extension (we support none).
void check_content_type(std::string_view content_type);

/// What an answer is written in.
enum class Format : std::uint8_t { json_api, csv, ndjson };

struct FormatRow {
  Format format;
  std::string_view name;          ///< in Accept
  std::string_view content_type;  ///< of an answer
  std::string_view extension;     ///< of a file's name
};

[[nodiscard]] const FormatRow& row_of(Format format);

/// Whether a resource has the formats beside JSON:API.
enum class Exports : std::uint8_t { none, not_set_up, offered };

/// The same section's rules for Accept; throws ApiError (406). Without JSON:API media types in it, application/json,
/// text/html, application/* and */* are served too. A weight of 0 refuses (RFC 9110, 12.4.2). Empty: all is served.
///
/// Where exports are offered, text/csv and application/x-ndjson are chosen by their own names only, by a greater weight
/// than that of JSON:API, or by the same one where only a wildcard admits that; of both, the first with the greatest.
/// Their parameters can be charset=utf-8 and, for text/csv, header=present; with others they are no types of ours.
[[nodiscard]] Format choose_format(std::string_view accept, Exports exports);

}  // namespace webhook_calls
