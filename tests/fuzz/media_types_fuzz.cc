#include <array>
#include <cctype>
#include <regex>

#include "fcgi/api_error.h"
#include "fcgi/media_types.h"
#include "tests/fuzz/fuzz.h"

/// An Accept or a Content-Type; without quotes in it, against the rules of JSON:API in another form.
namespace webhook_calls {
namespace {

/// 200, or the status of the refusal.
int status_of(void (*check)(std::string_view), std::string_view value) {
  try {
    check(value);
    return 200;
  } catch (const ApiError& error) {
    require(error.faults().size() == 1 && !error.faults().front().detail.empty(), "a refusal has its words");
    return error.kind().status;
  }
}

void check_accept(std::string_view accept) {
  require(choose_format(accept, Exports::none) == Format::json_api, "no export that nobody offers");
}

/// json_api: that, or a refusal.
Format format_of(std::string_view accept) {
  try {
    return choose_format(accept, Exports::offered);
  } catch (const ApiError&) {
    return Format::json_api;
  }
}

/// What a media type is to us: the row of its rank, and whether it is served.
struct Rank {
  std::size_t row;
  bool served;
};

Rank rank_of(std::string_view range, bool weighted) {
  static const std::regex kRows[] = {std::regex{"application/vnd\\.api\\+json"},
                                     std::regex{"application/json|text/html"}, std::regex{"application/\\*"},
                                     std::regex{"\\*/\\*"}, std::regex{"[^]*"}};
  static const std::regex kBlank{"[ \\t]*"}, kQ{"[ \\t]*q[ \\t]*(=[^]*)?"},
      kZero{"[ \\t]*q[ \\t]*=[ \\t]*0[0.]*[ \\t]*"}, kKnown{"[ \\t]*(profile[ \\t]*(=[^]*)?|ext[ \\t]*(=[ \\t]*)?)"},
      kEnds{"^[ \\t]+|[ \\t]+$"};
  const std::string type = std::regex_replace(std::string{take_until(range, ';')}, kEnds, "");
  Rank rank{0, true};
  while (!std::regex_match(type, kRows[rank.row])) ++rank.row;
  bool supported = true, refused = false;
  while (!range.empty()) {
    const std::string part{take_until(range, ';')};
    if (std::regex_match(part, kBlank)) continue;
    if (weighted && std::regex_match(part, kQ)) {
      refused = std::regex_match(part, kZero);  // the last weight counts
    } else {
      supported &= std::regex_match(part, kKnown);
    }
  }
  rank.served = !refused && (supported || rank.row != 0);
  return rank;
}

int expected_of_accept(std::string_view accept) {
  std::array<bool, 5> named{}, served{};
  bool blank = accept.find_first_not_of(" \t") == std::string_view::npos;
  while (!accept.empty()) {
    const std::string_view range = take_until(accept, ',');
    if (range.find_first_not_of(" \t") == std::string_view::npos) continue;
    const Rank rank = rank_of(range, true);
    named[rank.row] = true;
    served[rank.row] |= rank.served;
  }
  if (blank || served[0]) return 200;
  if (named[0]) return 406;
  if (served[1] || served[2]) return 200;
  return !named[2] && served[3] ? 200 : 406;
}

}  // namespace

void run(std::string_view input) {
  const int accept = status_of(check_accept, input), content_type = status_of(check_content_type, input);
  require(accept == 200 || accept == 406, "an Accept is served or a 406");
  require(content_type == 200 || content_type == 415, "a Content-Type is served or a 415");
  if (input.size() > 1000 || input.find('"') != std::string_view::npos) return;  // may be left open
  std::string lower{input};
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  require(accept == expected_of_accept(lower), "an Accept is served by the rules");
  const Rank type = rank_of(lower, false);
  require((content_type == 200) == (type.row != 0 || type.served), "a Content-Type is served by the rules");
  const Format format = format_of(input);
  require(format != Format::csv || lower.find("text/csv") != std::string::npos, "no CSV unasked");
  require(format != Format::ndjson || lower.find("application/x-ndjson") != std::string::npos, "no NDJSON unasked");
  require(format == Format::json_api || accept == 406 || lower.find("*/*") != std::string::npos ||
              lower.find("q") != std::string::npos || lower.find("application/*") != std::string::npos,
          "an export before JSON:API by a weight, or before a wildcard");
  const std::string text{input};
  require(status_of(check_accept, text + ",application/vnd.api+json") == 200, "one plain instance is enough");
  require(status_of(check_content_type, "application/vnd.api+json;charset=" + text) == 415, "a foreign parameter");
  require(status_of(check_content_type, "application/vnd.api+json;profile=\"" + text + "\"") == 200 ||
              text.find('\\') != std::string::npos,
          "a profile, whichever");
}

}  // namespace webhook_calls
