#include "sql/call_statements.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "sql/call_conditions.h"
#include "tests/unit/shown.h"

namespace webhook_calls {
namespace {

const std::string kCutoff = "2026-09-02 10:00:00.000";

const std::string kBothSizes = "COALESCE(LENGTH(c.headers),0)+COALESCE(LENGTH(c.body),0)";
const std::string kTime = "CAST(c.created_at AS CHAR) AS t";
const std::string kHeaders = "IF(LENGTH(c.headers)<=?,c.headers,NULL) AS h";
const std::string kBody = "IF(LENGTH(c.body)<=?,c.body,NULL) AS b";
const std::string kAllColumns = "c.id,c.http_code," + kTime + "," + kBothSizes + " AS s," + kHeaders + "," + kBody;
const std::string kCount = "SELECT COUNT(*),UTC_TIMESTAMP(3)-INTERVAL 60 DAY";
const std::string kLimit = " LIMIT ? OFFSET ?";
const std::string kJoin = ") p JOIN webhook_calls c FORCE INDEX (PRIMARY) ON c.webhook_id=? AND c.id=p.id";

PagePlace place_of(const CallQuery& query) { return {.scope = {kCutoff, {}}, .offset = query.offset()}; }

std::string from(const std::string& index) {
  return " FROM webhook_calls c FORCE INDEX (" + index + ") WHERE c.webhook_id=? AND c.created_at>?";
}

std::string from_now(const std::string& index) {
  return " FROM webhook_calls c FORCE INDEX (" + index +
         ") WHERE c.webhook_id=? AND c.created_at>UTC_TIMESTAMP(3)-INTERVAL 60 DAY";
}

FieldSet fields(std::initializer_list<CallField> list) {
  FieldSet set;
  for (const CallField field : list) set.insert(field);
  return set;
}

CallQuery sorted_by(std::vector<SortKey> sort) { return {.webhook_id = 7, .sort = std::move(sort), .page_size = 25}; }

/// As many marks as values, whatever the statement is.
void check_marks(const Statement& statement) {
  const auto marks = std::ranges::count(statement.text(), '?');
  BOOST_TEST(static_cast<std::size_t>(marks) == statement.binds().size());
}

struct Row {
  const char* name;
  CallQuery query;
  std::string text, binds;
};

void check_page(const Row& row) {
  BOOST_TEST_CONTEXT(row.name) {
    const Statement statement = select_page(row.query, place_of(row.query));
    BOOST_TEST(statement.text() == row.text);
    BOOST_TEST(shown_binds(statement) == row.binds);
    check_marks(statement);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(call_statements_test)

// A field's row stands where its enumerator says.
static_assert([] {
  for (const CallFieldRow& row : kCallFields) {
    if (row_of(row.field).name != row.name || find_field(row.name) != &row) return false;
  }
  return find_field("http_code__lt") == nullptr && find_field("") == nullptr;
}());

BOOST_AUTO_TEST_CASE(access) {
  const std::string columns =
      "w.id,w.name,w.url,(SELECT k.first_id FROM webhook_call_chunks k FORCE INDEX"
      " (PRIMARY) WHERE k.webhook_id=w.id AND k.max_at>UTC_TIMESTAMP(3)-INTERVAL 60 DAY ORDER BY k.first_id LIMIT 1),"
      "(SELECT k.last_id FROM webhook_call_chunks k FORCE INDEX (PRIMARY) WHERE k.webhook_id=w.id"
      " ORDER BY k.first_id DESC LIMIT 1)";
  const Statement by_token = select_access(TokenHash{"ab12"}, 7);
  BOOST_TEST(by_token.text() ==
             "SELECT t.account_id," + columns +
                 ",TIMESTAMPDIFF(MICROSECOND,UTC_TIMESTAMP(6),t.expires_at)"
                 " FROM api_tokens t LEFT JOIN webhooks w ON w.account_id=t.account_id AND w.id=?"
                 " WHERE t.token_hash=UNHEX(?) AND (t.expires_at IS NULL OR t.expires_at>UTC_TIMESTAMP(3))");
  BOOST_TEST(shown_binds(by_token) == "7 'ab12'");

  const std::string from_webhooks = "SELECT w.account_id," + columns + ",NULL FROM webhooks w WHERE w.id=?";
  const Statement by_account = select_access(Account{42}, 7);
  BOOST_TEST(by_account.text() == from_webhooks + " AND w.account_id=?");
  BOOST_TEST(shown_binds(by_account) == "7 42");

  const Statement by_anyone = select_access(Anyone{}, 7);
  BOOST_TEST(by_anyone.text() == from_webhooks);
  BOOST_TEST(shown_binds(by_anyone) == "7");
}

BOOST_AUTO_TEST_CASE(page_in_one_piece) {
  BOOST_TEST(select_page({.webhook_id = 7}, place_of({})).text() ==
             "SELECT c.id,c.http_code,CAST(c.created_at AS CHAR) AS t,"
             "COALESCE(LENGTH(c.headers),0)+COALESCE(LENGTH(c.body),0) AS s,"
             "IF(LENGTH(c.headers)<=?,c.headers,NULL) AS h,IF(LENGTH(c.body)<=?,c.body,NULL) AS b"
             " FROM webhook_calls c FORCE INDEX (PRIMARY) WHERE c.webhook_id=? AND c.created_at>?"
             " ORDER BY c.id LIMIT ? OFFSET ?");
  BOOST_TEST(select_page(sorted_by({{CallField::created_at, true}}), place_of({})).text() ==
             "SELECT STRAIGHT_JOIN c.id,c.http_code,CAST(c.created_at AS CHAR) AS t,"
             "COALESCE(LENGTH(c.headers),0)+COALESCE(LENGTH(c.body),0) AS s,"
             "IF(LENGTH(c.headers)<=?,c.headers,NULL) AS h,IF(LENGTH(c.body)<=?,c.body,NULL) AS b FROM (SELECT c.id,"
             "c.created_at AS k1 FROM webhook_calls c FORCE INDEX (by_created) WHERE c.webhook_id=? AND c.created_at>?"
             " ORDER BY c.created_at DESC,c.id DESC LIMIT ? OFFSET ?) p JOIN webhook_calls c FORCE INDEX (PRIMARY)"
             " ON c.webhook_id=? AND c.id=p.id ORDER BY p.k1 DESC,p.id DESC");
}

BOOST_AUTO_TEST_CASE(page_orders) {
  const std::string direct = "SELECT " + kAllColumns + from("PRIMARY");
  const std::string direct_binds = "167772 167772 7 '" + kCutoff + "' 26 0";
  const std::string deferred = "SELECT STRAIGHT_JOIN " + kAllColumns + " FROM (SELECT c.id";
  const std::string deferred_binds = direct_binds + " 7";
  const std::string left_headers = "LEFT(c.headers,1024)", left_body = "LEFT(c.body,1024)";
  const Row rows[] = {
      {"default order", {.webhook_id = 7}, direct + " ORDER BY c.id" + kLimit, "4194 4194 7 '" + kCutoff + "' 1001 0"},
      {"page 3 of 25",
       {.webhook_id = 7, .page_number = 3, .page_size = 25},
       deferred + from("PRIMARY") + " ORDER BY c.id" + kLimit + kJoin + " ORDER BY p.id",
       "167772 167772 7 '" + kCutoff + "' 26 50 7"},
      {"a page of one",
       {.webhook_id = 7, .page_size = 1},
       direct + " ORDER BY c.id" + kLimit,
       "524288 524288 7 '" + kCutoff + "' 2 0"},
      {"the last page there is",
       {.webhook_id = 7, .page_number = (std::uint64_t{1} << 63U) + 1, .page_size = 1},
       deferred + from("PRIMARY") + " ORDER BY c.id" + kLimit + kJoin + " ORDER BY p.id",
       "524288 524288 7 '" + kCutoff + "' 2 9223372036854775808 7"},
      {"id", sorted_by({{CallField::id}}), direct + " ORDER BY c.id" + kLimit, direct_binds},
      {"-id", sorted_by({{CallField::id, true}}), direct + " ORDER BY c.id DESC" + kLimit, direct_binds},
      {"keys behind the unique id say nothing", sorted_by({{CallField::id, true}, {CallField::body}}),
       direct + " ORDER BY c.id DESC" + kLimit, direct_binds},
      {"webhook_id is the same in all rows", sorted_by({{CallField::webhook_id}}), direct + " ORDER BY c.id" + kLimit,
       direct_binds},
      {"-webhook_id: the tie-break descends", sorted_by({{CallField::webhook_id, true}}),
       direct + " ORDER BY c.id DESC" + kLimit, direct_binds},
      {"webhook_id,-id", sorted_by({{CallField::webhook_id}, {CallField::id, true}}),
       direct + " ORDER BY c.id DESC" + kLimit, direct_binds},
      {"created_at", sorted_by({{CallField::created_at}}),
       deferred + ",c.created_at AS k1" + from("by_created") + " ORDER BY c.created_at,c.id" + kLimit + kJoin +
           " ORDER BY p.k1,p.id",
       deferred_binds},
      {"-created_at,id", sorted_by({{CallField::created_at, true}, {CallField::id}}),
       deferred + ",c.created_at AS k1" + from("by_created") + " ORDER BY c.created_at DESC,c.id" + kLimit + kJoin +
           " ORDER BY p.k1 DESC,p.id",
       deferred_binds},
      {"created_at,-webhook_id", sorted_by({{CallField::created_at}, {CallField::webhook_id, true}}),
       deferred + ",c.created_at AS k1" + from("by_created") + " ORDER BY c.created_at,c.id DESC" + kLimit + kJoin +
           " ORDER BY p.k1,p.id DESC",
       deferred_binds},
      {"-http_code", sorted_by({{CallField::http_code, true}}),
       deferred + ",c.http_code AS k1" + from("by_code") + " ORDER BY c.http_code DESC,c.id DESC" + kLimit + kJoin +
           " ORDER BY p.k1 DESC,p.id DESC",
       deferred_binds},
      {"http_code,-created_at", sorted_by({{CallField::http_code}, {CallField::created_at, true}}),
       deferred + ",c.http_code AS k1,c.created_at AS k2" + from("by_code") +
           " ORDER BY c.http_code,c.created_at DESC,c.id DESC" + kLimit + kJoin + " ORDER BY p.k1,p.k2 DESC,p.id DESC",
       deferred_binds},
      {"body", sorted_by({{CallField::body}}),
       deferred + "," + left_body + " AS k1" + from("PRIMARY") + " ORDER BY " + left_body + ",c.id" + kLimit + kJoin +
           " ORDER BY p.k1,p.id",
       deferred_binds},
      {"-headers,created_at", sorted_by({{CallField::headers, true}, {CallField::created_at}}),
       deferred + "," + left_headers + " AS k1,c.created_at AS k2" + from("PRIMARY") + " ORDER BY " + left_headers +
           " DESC,c.created_at,c.id" + kLimit + kJoin + " ORDER BY p.k1 DESC,p.k2,p.id",
       deferred_binds},
      {"all of them",
       sorted_by({{CallField::webhook_id},
                  {CallField::http_code, true},
                  {CallField::headers},
                  {CallField::body, true},
                  {CallField::created_at},
                  {CallField::id, true}}),
       deferred + ",c.http_code AS k1," + left_headers + " AS k2," + left_body + " AS k3,c.created_at AS k4" +
           from("by_code") + " ORDER BY c.http_code DESC," + left_headers + "," + left_body +
           " DESC,c.created_at,c.id DESC" + kLimit + kJoin + " ORDER BY p.k1 DESC,p.k2,p.k3 DESC,p.k4,p.id DESC",
       deferred_binds},
  };
  for (const Row& row : rows) check_page(row);
}

BOOST_AUTO_TEST_CASE(page_fields) {
  const std::string body_size = "COALESCE(LENGTH(c.body),0) AS s,",
                    headers_size = "COALESCE(LENGTH(c.headers),0) AS s,";
  const std::string by_id = " ORDER BY c.id" + kLimit;
  const std::string binds = "7 '" + kCutoff + "' 1001 0";
  const auto only = [](std::initializer_list<CallField> list) {
    return CallQuery{.webhook_id = 7, .fields = fields(list)};
  };
  CallQuery newest = only({CallField::http_code, CallField::created_at});
  newest.sort = {{CallField::created_at, true}};
  CallQuery body_of_200 = only({CallField::body});
  body_of_200.filters = {{.field = CallField::http_code, .values = {std::uint64_t{200}}}};
  const Row rows[] = {
      {"none", only({}), "SELECT c.id" + from("PRIMARY") + by_id, binds},
      {"http_code", only({CallField::http_code}), "SELECT c.id,c.http_code" + from("PRIMARY") + by_id, binds},
      {"created_at", only({CallField::created_at}), "SELECT c.id," + kTime + from("PRIMARY") + by_id, binds},
      {"headers", only({CallField::headers}), "SELECT c.id," + headers_size + kHeaders + from("PRIMARY") + by_id,
       "4194 " + binds},
      {"body, created_at", only({CallField::body, CallField::created_at}),
       "SELECT c.id," + kTime + "," + body_size + kBody + from("PRIMARY") + by_id, "4194 " + binds},
      {"without contents a covering index answers alone", newest,
       "SELECT c.id,c.http_code," + kTime + from("by_created") + " ORDER BY c.created_at DESC,c.id DESC" + kLimit,
       binds},
      {"with contents they are read for the page's ids alone", body_of_200,
       "SELECT STRAIGHT_JOIN c.id," + body_size + kBody + " FROM (SELECT c.id" + from("by_code") +
           " AND c.http_code IN (?)" + by_id + kJoin + " ORDER BY p.id",
       "4194 7 '" + kCutoff + "' 200 1001 0 7"},
  };
  for (const Row& row : rows) check_page(row);
}

// The narrowest index that the filters allow, whatever the order; without one, the order's or the counting's.
BOOST_AUTO_TEST_CASE(backwards) {
  // What is found backwards is shown forwards.
  const CallQuery query{
      .webhook_id = 7, .fields = {}, .sort = {{CallField::created_at, true}}, .position = CallPosition{.before = true}};
  const std::string text = select_page(query, place_of({})).text();
  BOOST_TEST(text.find(" ORDER BY c.created_at,c.id LIMIT ?") != std::string::npos, text);
  BOOST_TEST(text.ends_with(" ORDER BY p.k1 DESC,p.id DESC"), text);
  // The condition stands where the ids are looked for.
  CallQuery forwards{.webhook_id = 7, .position = CallPosition{.values = {BindValue{std::uint64_t{9}}}}};
  BOOST_TEST(select_page(forwards, place_of({})).text().find(" AND (c.id>?) ORDER BY c.id LIMIT ?") !=
             std::string::npos);
  forwards.sort = {{CallField::http_code}};
  forwards.position->values = {std::nullopt, BindValue{std::uint64_t{9}}};
  const std::string deferred = select_page(forwards, place_of({})).text();
  BOOST_TEST(deferred.find(" AND c.id>?) ORDER BY c.http_code,c.id LIMIT ? OFFSET ?) p JOIN") != std::string::npos,
             deferred);
}

BOOST_AUTO_TEST_CASE(indexes) {
  const Filter id{CallField::id, Operator::any_of, {std::uint64_t{3}}};
  const Filter code{CallField::http_code, Operator::gte, {std::uint64_t{500}}};
  const Filter time{CallField::created_at, Operator::lt, {Instant{}}};
  const Filter headers{CallField::headers, Operator::any_of, {}, true},
      body{CallField::body, Operator::any_of, {}, true};
  const Filter webhook{CallField::webhook_id, Operator::any_of, {std::uint64_t{7}}};
  const struct {
    std::vector<Filter> filters;
    std::string by_id, by_time, by_body, count;
  } rows[] = {
      {{}, "PRIMARY", "by_created", "PRIMARY", "by_created"},
      {{webhook}, "PRIMARY", "by_created", "PRIMARY", "by_created"},
      {{headers}, "PRIMARY", "by_created", "PRIMARY", "PRIMARY"},
      {{body}, "PRIMARY", "by_created", "PRIMARY", "PRIMARY"},
      {{time}, "by_created", "by_created", "by_created", "by_created"},
      {{body, time}, "by_created", "by_created", "by_created", "by_created"},
      {{code}, "by_code", "by_code", "by_code", "by_code"},
      {{time, headers, code}, "by_code", "by_code", "by_code", "by_code"},
      {{id}, "PRIMARY", "PRIMARY", "PRIMARY", "PRIMARY"},
      {{code, time, id}, "PRIMARY", "PRIMARY", "PRIMARY", "PRIMARY"},
  };
  for (const auto& row : rows) {
    CallQuery query{.webhook_id = 7, .fields = {}, .filters = row.filters, .page_number = 9};
    Statement expected{""};
    add_conditions(expected, query, {kCutoff, {}});
    BOOST_TEST_CONTEXT(expected.text()) {
      const auto from_index = [&](const std::string& index) {
        return " FROM webhook_calls c FORCE INDEX (" + index + ")" + expected.text();
      };
      BOOST_TEST(select_page(query, place_of(query)).text() ==
                 "SELECT c.id" + from_index(row.by_id) + " ORDER BY c.id" + kLimit);
      query.sort = {{CallField::created_at, true}};
      BOOST_TEST(select_page(query, place_of(query)).text() ==
                 "SELECT c.id" + from_index(row.by_time) + " ORDER BY c.created_at DESC,c.id DESC" + kLimit);
      query.sort = {{CallField::body}};
      BOOST_TEST(select_page(query, place_of(query)).text() ==
                 "SELECT c.id" + from_index(row.by_body) + " ORDER BY LEFT(c.body,1024),c.id" + kLimit);
      const Statement count = count_calls(query, {kCutoff, {}});  // knows neither order nor page
      BOOST_TEST(count.text() == kCount + from_index(row.count));
      BOOST_TEST(shown_binds(count) == shown_binds(expected));
      check_marks(count);
    }
  }
}

BOOST_AUTO_TEST_CASE(counting_in_one_piece) {
  const Statement count = count_calls({.webhook_id = 7}, {kCutoff, {}});
  BOOST_TEST(count.text() == kCount + from("by_created"));
  BOOST_TEST(shown_binds(count) == "7 '" + kCutoff + "'");
  const Statement now = count_calls({.webhook_id = 7}, {});
  BOOST_TEST(now.text() == kCount + from_now("by_created"));
  BOOST_TEST(shown_binds(now) == "7");
}

BOOST_AUTO_TEST_CASE(counting_groups) {
  const struct {
    CountBy by;
    std::string columns, binds;
  } rows[] = {
      {{.seconds = 3600}, "TO_SECONDS(c.created_at) DIV ? AS t,0 AS g", "3600 7 10001"},
      {{.codes = 100}, "0 AS t,c.http_code DIV ? AS g", "100 7 10001"},
      {{.seconds = 60, .codes = 1}, "TO_SECONDS(c.created_at) DIV ? AS t,c.http_code DIV ? AS g", "60 1 7 10001"},
  };
  for (const auto& row : rows) {
    const CallQuery query{.webhook_id = 7, .count_by = row.by};
    const Statement statement = count_groups(query, {});
    BOOST_TEST(statement.text() ==
               "SELECT " + row.columns + ",COUNT(*)" + from_now("by_created") + " GROUP BY t,g LIMIT ?");
    BOOST_TEST(shown_binds(statement) == row.binds);
  }
  const CallQuery failed{.webhook_id = 7,
                         .filters = {{CallField::http_code, Operator::any_of, {std::uint64_t{500}}}},
                         .count_by = {.codes = 1}};
  const std::string begin = "SELECT 0 AS t,c.http_code DIV ? AS g,COUNT(*)";
  BOOST_TEST(count_groups(failed, {kCutoff}).text() ==
             begin + from("by_code") + " AND c.http_code IN (?) GROUP BY t,g LIMIT ?");
  const Statement span = count_groups(failed, {kCutoff, {}, CallSpan{{1, 9}, "from", "until"}});
  BOOST_TEST(span.text() == begin + from("by_created") +
                                " AND c.created_at>=? AND c.created_at<? AND c.id>=? AND c.id<=?"
                                " AND c.http_code IN (?) GROUP BY t,g LIMIT ?");
  BOOST_TEST(shown_binds(span) == "1 7 '" + kCutoff + "' 'from' 'until' 1 9 500 10001");
  BOOST_TEST(select_cutoff().text() == "SELECT UTC_TIMESTAMP(3)-INTERVAL 60 DAY");
  const Statement next = select_next_second(7, "from");
  BOOST_TEST(next.text() ==
             "SELECT TO_SECONDS(c.created_at) FROM webhook_calls c FORCE INDEX (by_created)"
             " WHERE c.webhook_id=? AND c.created_at>=? ORDER BY c.created_at LIMIT 1");
  BOOST_TEST(shown_binds(next) == "7 'from'");
}

BOOST_AUTO_TEST_CASE(one_call) {
  const Statement whole = select_call({.webhook_id = 7, .page_size = 1}, 1842);
  BOOST_TEST(whole.text() == "SELECT " + kAllColumns + from_now("PRIMARY") + " AND c.id=?");
  BOOST_TEST(shown_binds(whole) == "524288 524288 7 1842");
  const Statement sparse = select_call({.webhook_id = 7, .fields = fields({CallField::created_at})}, 1842);
  BOOST_TEST(sparse.text() == "SELECT c.id," + kTime + from_now("PRIMARY") + " AND c.id=?");
  BOOST_TEST(shown_binds(sparse) == "7 1842");
}

BOOST_AUTO_TEST_CASE(contents) {
  const std::vector<BindValue> ids{std::uint64_t{3}, std::uint64_t{5}, std::uint64_t{8}};
  const std::string by_ids = " FROM webhook_calls c FORCE INDEX (PRIMARY) WHERE c.webhook_id=? AND c.id IN (?,?,?,?)";
  const struct {
    FieldSet fields;
    std::string columns;
    unsigned texts;
  } rows[] = {{FieldSet::all_attributes(), "c.id,SUBSTRING(c.headers,?,?),SUBSTRING(c.body,?,?)", 2},
              {fields({CallField::headers, CallField::http_code}), "c.id,SUBSTRING(c.headers,?,?)", 1},
              {fields({CallField::body}), "c.id,SUBSTRING(c.body,?,?)", 1}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.columns) {
      const Statement begin = select_contents({.webhook_id = 7}, row.fields, ids),
                      rest = select_contents({.webhook_id = 7}, row.fields, ids, 3145728);
      BOOST_TEST(begin.text() == "SELECT " + row.columns + by_ids);
      BOOST_TEST(rest.text() == begin.text());
      BOOST_TEST(shown_binds(begin) == (row.texts == 2 ? "1 1048576 " : "") + std::string{"1 1048576 7 3 5 8 8"});
      BOOST_TEST(shown_binds(rest) ==
                 (row.texts == 2 ? "3145729 1048576 " : "") + std::string{"3145729 1048576 7 3 5 8 8"});
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
