#include <regex>

#include "fcgi/entity_tag.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/asked.h"

/// A query string, then a line with an If-None-Match in which TAG stands for the document's tag, against RFC 9110's
/// pattern.
namespace webhook_calls {
namespace {

const Route kCall{7, 1842};

/// Of the query where it is one, else of none.
Asked asked_for(std::string_view query) {
  try {
    return Asked{query, kCall};
  } catch (const ApiError&) {
    return Asked{"", kCall};
  }
}

}  // namespace

void run(std::string_view input) {
  static const std::regex kTag{"\"[0-9a-f]{32}\""}, kPlaceholder{"TAG"};
  Asked asked = asked_for(take_until(input, '\n'));
  const std::string tag = make_entity_tag(asked.request());
  require(std::regex_match(tag, kTag), "a strong tag");
  require(make_entity_tag(asked_for(build_query_string(asked.query.parameters)).request()) == tag,
          "one tag a document");
  const bool plain = asked.query.parameters.empty();
  require((make_entity_tag(Asked{"", kCall}.request()) == tag) == plain, "another tag for another question");
  asked.webhook.name += '.';
  require(make_entity_tag(asked.request()) != tag, "another tag for another webhook");

  if (input.size() > 1000) return;  // the library's matcher recurses
  const std::string header = std::regex_replace(std::string{input}, kPlaceholder, tag);
  const std::regex named{"[ \\t]*(\\*|(W/)?" + tag + ")[ \\t]*"};
  bool expected = false;
  for (std::string_view rest = header; !rest.empty();) {
    expected |= std::regex_match(std::string{take_until(rest, ',')}, named);
  }
  require(matches_entity_tag(header, tag) == expected, "the tag is found where the pattern has it");
}

}  // namespace webhook_calls
