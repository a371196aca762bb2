#include "fcgi/entity_tag.h"

#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/unit/asked.h"

namespace webhook_calls {
namespace {

std::string tag_of(std::string_view query, const Route& route = {7, 1842}, const Webhook& webhook = {7, "n", "u"}) {
  Asked asked{query, route};
  asked.webhook = webhook;
  return make_entity_tag(asked.request());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(entity_tag_test)

BOOST_AUTO_TEST_CASE(form) {
  const std::string tag = tag_of("");
  BOOST_TEST_REQUIRE(tag.size() > 2U);
  BOOST_TEST(tag.front() == '"');
  BOOST_TEST(tag.back() == '"');
  BOOST_TEST(tag.substr(1, tag.size() - 2).find_first_not_of("0123456789abcdef") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_same_for_the_same) {
  BOOST_TEST(tag_of("include=webhook") == tag_of("include=webhook"));
  BOOST_TEST(tag_of("fields[notification/webhook/calls]=body") ==
             tag_of("&fields%5Bnotification%2Fwebhook/calls]=%62ody"));
}

BOOST_AUTO_TEST_CASE(another_for_any_other_document) {
  const std::string tags[] = {
      tag_of(""),
      tag_of("", {7, 1843}),
      tag_of("", {8, 1842}),
      tag_of("", {71, 842}),
      tag_of("include="),
      tag_of("include=webhook"),
      tag_of("included=webhook"),
      tag_of("fields[notification/webhook/calls]=body"),
      tag_of("fields[notification/webhook/calls]=headers"),
      tag_of("fields[notification/webhook/calls]"),
      tag_of("", {7, 1842}, {7, "other", "u"}),
      tag_of("", {7, 1842}, {7, "n", "other"}),
      tag_of("", {7, 1842}, {7, "nu", ""}),
      tag_of("", {7, 1842}, {7, "", "nu"}),
  };
  BOOST_TEST((std::set<std::string>{std::begin(tags), std::end(tags)}.size()) == std::size(tags));
}

BOOST_AUTO_TEST_CASE(another_where_other_headers_are_redacted) {
  Asked plain{"", {7, 1842}}, redacted{"", {7, 1842}};
  redacted.params.query.redaction = "Set-Cookie";
  BOOST_TEST(make_entity_tag(plain.request()) != make_entity_tag(redacted.request()));
}

BOOST_AUTO_TEST_CASE(if_none_match) {
  const struct {
    std::string_view field;
    bool matches;
  } rows[] = {
      {"\"abc\"", true},
      {"W/\"abc\"", true},
      {"*", true},
      {" \"abc\" ", true},
      {"\"x\", \"abc\"", true},
      {"\"x\",W/\"abc\",\"y\"", true},
      {"\"x,y\", \"abc\"", true},
      {"", false},
      {" ", false},
      {",", false},
      {"abc", false},
      {"\"abcd\"", false},
      {"\"ab\"", false},
      {"\"ABC\"", false},
      {"w/\"abc\"", false},
      {"W/abc", false},
      {"\"*\"", false},
      {"\"x\", \"y\"", false},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.field) { BOOST_TEST(matches_entity_tag(row.field, "\"abc\"") == row.matches); }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
