#include "fcgi/media_types.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fcgi/api_error.h"
#include "fcgi/text.h"

namespace webhook_calls {
namespace {

constexpr unsigned kFullWeight = 1000;

constexpr std::array kFormats{
    FormatRow{Format::json_api, kJsonApi, kJsonApi, "json"},
    FormatRow{Format::csv, "text/csv", "text/csv; charset=utf-8; header=present", "csv"},
    FormatRow{Format::ndjson, "application/x-ndjson", "application/x-ndjson", "ndjson"},
};

struct MediaRange {
  std::string_view type;
  std::vector<std::pair<std::string_view, std::string>> parameters{};  ///< without the weight
  unsigned weight = kFullWeight;                                       ///< in thousandths; 0 refuses
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

/// In thousandths, of which 1 is the least that is not 0 (`0`, `0.`, `0.0` to `0.000`); what is no weight counts for 1.
unsigned parse_weight(std::string_view text) {
  if (!text.starts_with('0')) return kFullWeight;
  if (text.find_first_not_of("0.") == std::string_view::npos) return 0;
  const std::string_view decimals = text.substr(1);
  if (!decimals.starts_with('.') || decimals.find_first_not_of("0123456789", 1) != std::string_view::npos) {
    return kFullWeight;
  }
  unsigned weight = 0;
  for (std::size_t i = 1; i <= 3; ++i) {
    weight = weight * 10 + (i < decimals.size() ? static_cast<unsigned>(decimals[i] - '0') : 0);
  }
  return std::max(weight, 1U);
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
      range.weight = parse_weight(value);
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

/// text/csv as RFC 7111 and RFC 4180 describe it, and lines of JSON: with these parameters, if any.
bool is_export(const MediaRange& range, const FormatRow& type) {
  if (type.format == Format::json_api || !equal_ignoring_case(range.type, type.name)) return false;
  return std::ranges::all_of(range.parameters, [&](const auto& parameter) {
    if (equal_ignoring_case(parameter.first, "charset")) return equal_ignoring_case(parameter.second, "utf-8");
    return type.format == Format::csv && equal_ignoring_case(parameter.first, "header") &&
           equal_ignoring_case(parameter.second, "present");
  });
}

/// How much a client wants one of the formats.
struct Wish {
  unsigned weight = 0;  ///< 0: it must not be sent
  bool by_name = true;  ///< rather than by a wildcard
};

/// The most specific range decides (RFC 9110, 12.5.1), and the JSON:API media type's instances before all others.
/// Empty: JSON:API forbids any other answer, too.
std::optional<Wish> wish_for_json_api(const std::vector<MediaRange>& ranges) {
  for (const std::vector<std::string_view>& types :
       {std::vector{kJsonApi}, std::vector<std::string_view>{"application/json", "text/html"},
        std::vector<std::string_view>{"application/*"}, std::vector<std::string_view>{"*/*"}}) {
    bool named = false, supported = false;
    Wish wish{.by_name = !types.front().ends_with('*')};
    for (const MediaRange& range : ranges) {
      if (std::ranges::none_of(types, [&](std::string_view type) { return equal_ignoring_case(range.type, type); })) {
        continue;
      }
      named = true;
      if (types.front() == kJsonApi && !is_supported(range)) continue;
      supported = true;
      wish.weight = std::max(wish.weight, range.weight);
    }
    if (named && !supported) return std::nullopt;
    if (wish.weight > 0) return wish;
    if (named && types.size() == 1) break;  // application/json and text/html are no names of ours to refuse
  }
  return Wish{};
}

const FormatRow* export_type_of(const MediaRange& range) {
  const auto* type = std::ranges::find_if(kFormats, [&](const auto& known) { return is_export(range, known); });
  return type == kFormats.end() || range.weight == 0 ? nullptr : type;
}

ApiError not_acceptable(Exports exports, const std::vector<MediaRange>& ranges) {
  std::string detail = "Accept admits no application/vnd.api+json without parameters other than profile, ";
  if (exports == Exports::none) {
    detail += "which is the only media type that this resource has.";
  } else if (std::ranges::none_of(ranges, export_type_of)) {
    detail += "and names none of the media types for exports (text/csv and application/x-ndjson).";
  } else if (exports == Exports::offered) {
    detail += "and where all that it names have such parameters, JSON:API lets nothing else be sent.";
  } else {
    detail += "and this server is not set up for exports, or did not see that one is asked for: it may look at the ";
    detail += "first Accept alone.";
  }
  return {kNotAcceptable, Fault{.detail = std::move(detail), .header = "Accept"}};
}

}  // namespace

const FormatRow& row_of(Format format) { return *std::ranges::find(kFormats, format, &FormatRow::format); }

void check_content_type(std::string_view content_type) {
  const MediaRange range = parse_media_range(content_type, false);
  if (!equal_ignoring_case(range.type, kJsonApi) || is_supported(range)) return;
  throw ApiError(
      kUnsupportedMediaType,
      Fault{.detail = "Content-Type names application/vnd.api+json with a parameter or an extension that is not "
                      "supported; only profile may be given.",
            .header = "Content-Type"});
}

Format choose_format(std::string_view accept, Exports exports) {
  if (trim(accept).empty()) return Format::json_api;
  std::vector<MediaRange> ranges;
  for (const std::string_view element : split_unquoted(accept, ',')) {
    if (!element.empty()) ranges.push_back(parse_media_range(element, true));
  }
  const std::optional<Wish> json_api = wish_for_json_api(ranges);
  if (!json_api) throw not_acceptable(exports, ranges);
  Wish best = *json_api;
  Format format = Format::json_api;
  for (const MediaRange& range : ranges) {
    if (exports != Exports::offered) break;
    const FormatRow* type = export_type_of(range);
    if (type == nullptr) continue;
    if (range.weight < best.weight || (range.weight == best.weight && best.by_name)) continue;
    best = {range.weight};
    format = type->format;
  }
  if (best.weight == 0) throw not_acceptable(exports, ranges);
  return format;
}

}  // namespace webhook_calls
