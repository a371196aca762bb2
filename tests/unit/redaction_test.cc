#include "sql/redaction.h"

#include <boost/test/unit_test.hpp>

#include "sql/call_conditions.h"
#include "sql/call_statements.h"
#include "tests/unit/shown.h"

namespace webhook_calls {
namespace {

/// How often a text holds another.
std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

/// Whether the recorded headers stand nowhere but inside of what redacts them.
bool redacts(const Statement& statement) {
  const std::string redacted = redacted_headers("x").text(), recorded = "c.headers";
  return count_of(statement.text(), redacted) * count_of(redacted, recorded) == count_of(statement.text(), recorded);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(redaction_test)

BOOST_AUTO_TEST_CASE(pattern) {
  const std::string begin = R"((?i)((?:^|[\r\n])[ \t]*(?:)";
  const std::string end = R"()[ \t]*:)[^\r\n]*+(?:[\r\n]++[ \t][^\r\n]*+)*+)";
  BOOST_TEST(redaction_pattern({}).empty());
  BOOST_TEST(redaction_pattern(std::vector<std::string>{"Set-Cookie"}) == begin + "Set-Cookie" + end);
  BOOST_TEST(redaction_pattern(std::vector<std::string>{"A", "b_1"}) == begin + "A|b_1" + end);
  BOOST_TEST(redaction_pattern(std::vector<std::string>{"!#$%&'*+.^`|~"}) ==
             begin + R"(\!\#\$\%\&\'\*\+\.\^\`\|\~)" + end);
}

BOOST_AUTO_TEST_CASE(every_statement_sees_redacted_headers) {
  const std::vector<BindValue> ids{std::uint64_t{1}};
  FieldSet only_headers;
  only_headers.insert(CallField::headers);
  const std::vector<std::vector<Filter>> filters{
      {},
      {{.field = CallField::headers, .values = {std::string{"a"}}}},
      {{.field = CallField::headers, .or_null = true}},
      {{.field = CallField::headers, .values = {std::string{"a"}, std::string{"b"}}, .or_null = true}},
      {{.field = CallField::http_code, .values = {std::uint64_t{200}}},
       {.field = CallField::headers, .values = {std::string{"a"}}}},
  };
  const std::vector<std::vector<SortKey>> sorts{{},
                                                {{CallField::headers}},
                                                {{CallField::headers, true}, {CallField::body}},
                                                {{CallField::http_code}, {CallField::headers}}};
  for (const auto& filter : filters) {
    for (const auto& sort : sorts) {
      for (const FieldSet fields : {FieldSet::all_attributes(), only_headers, FieldSet{}}) {
        const CallQuery plain{.webhook_id = 7, .fields = fields, .filters = filter, .sort = sort};
        CallQuery query = plain;
        query.redaction = "x";
        for (const std::uint64_t offset : {0U, 25U}) {
          BOOST_TEST(redacts(select_page(query, {.offset = offset})));
          BOOST_TEST(redacts(select_page(plain, {.offset = offset})) ==
                     (select_page(plain, {.offset = offset}).text().find("c.headers") == std::string::npos));
        }
        BOOST_TEST(redacts(count_calls(query, {})));
        BOOST_TEST(redacts(select_call(query, 1)));
        BOOST_TEST(redacts(select_contents(query, FieldSet::all_attributes(), ids)));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(pattern_is_bound) {
  CallQuery query{.webhook_id = 7, .sort = {{CallField::headers}}, .page_size = 25};
  query.redaction = "the pattern";
  const Statement statement = select_page(query, {});
  BOOST_TEST(statement.text().find("the pattern") == std::string::npos);
  BOOST_TEST(count_of(statement.text(), "?") == statement.binds().size());
  BOOST_TEST(count_of(shown_binds(statement), "65536 'the pattern'") ==
             5U);  // size, limit and text; sorted by and ordered by
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
