#include "sql/call_order.h"

#include <boost/test/unit_test.hpp>

#include "tests/unit/shown.h"

namespace webhook_calls {

BOOST_AUTO_TEST_SUITE(call_order_test)

BOOST_AUTO_TEST_CASE(orders) {
  const struct {
    std::vector<SortKey> sort;
    std::string order, reverse;
  } rows[] = {
      {{}, "c.id", "c.id DESC"},
      {{{CallField::id, true}, {CallField::body}}, "c.id DESC", "c.id"},
      {{{CallField::webhook_id, true}}, "c.id DESC", "c.id"},
      {{{CallField::http_code}, {CallField::webhook_id}, {CallField::created_at, true}},
       "c.http_code,c.created_at DESC,c.id DESC",
       "c.http_code DESC,c.created_at,c.id"},
      {{{CallField::headers}}, "LEFT(c.headers,1024),c.id", "LEFT(c.headers,1024) DESC,c.id DESC"},
  };
  for (const auto& row : rows) {
    CallQuery query{.webhook_id = 7, .sort = row.sort};
    Statement forwards{"…"}, backwards{"…"};
    add_order(forwards, reading_order(query), query);
    query.position = CallPosition{.before = true};
    add_order(backwards, reading_order(query), query);
    BOOST_TEST(forwards.text() == "… ORDER BY " + row.order);
    BOOST_TEST(backwards.text() == "… ORDER BY " + row.reverse);
  }
}

BOOST_AUTO_TEST_CASE(positions) {
  const BindValue id{std::uint64_t{9}}, code{std::uint64_t{200}}, time{std::string{"2026-11-01 10:00:00.000"}};
  const BindValue text{std::string{"t"}};
  const SortKey by_code{CallField::http_code}, by_code_down{CallField::http_code, true}, by_id{CallField::id};
  const struct {
    std::vector<SortKey> sort;
    CallPosition position;
    std::string condition, binds, order;
  } rows[] = {
      {{}, {}, "", "", "c.id"},
      {{}, {.before = true}, "", "", "c.id DESC"},
      {{}, {.values = {id}}, " AND (c.id>?)", " 9", "c.id"},
      {{}, {.before = true, .values = {id}}, " AND (c.id<?)", " 9", "c.id DESC"},
      {{{CallField::id, true}}, {.before = true, .values = {id}}, " AND (c.id>?)", " 9", "c.id"},
      {{{CallField::created_at, true}},
       {.values = {time, id}},
       " AND (c.created_at<? OR c.created_at=? AND c.id<?)",
       " '2026-11-01 10:00:00.000' '2026-11-01 10:00:00.000' 9",
       "c.created_at DESC,c.id DESC"},
      // NULL is the smallest value
      {{by_code},
       {.values = {code, id}},
       " AND (c.http_code>? OR c.http_code=? AND c.id>?)",
       " 200 200 9",
       "c.http_code,c.id"},
      {{by_code},
       {.values = {std::nullopt, id}},
       " AND (c.http_code IS NOT NULL OR c.http_code IS NULL AND c.id>?)",
       " 9",
       "c.http_code,c.id"},
      {{by_code_down},
       {.values = {code, id}},
       " AND ((c.http_code<? OR c.http_code IS NULL) OR c.http_code=? AND c.id<?)",
       " 200 200 9",
       "c.http_code DESC,c.id DESC"},
      {{by_code_down},
       {.values = {std::nullopt, id}},
       " AND (FALSE OR c.http_code IS NULL AND c.id<?)",
       " 9",
       "c.http_code DESC,c.id DESC"},
      {{{CallField::body}, by_code_down, by_id},
       {.values = {text, code, id}},
       " AND (LEFT(c.body,1024)>? OR LEFT(c.body,1024)=? AND (c.http_code<? OR c.http_code IS NULL)"
       " OR LEFT(c.body,1024)=? AND c.http_code=? AND c.id>?)",
       " 't' 't' 200 't' 200 9",
       "LEFT(c.body,1024),c.http_code DESC,c.id"},
  };
  for (const auto& row : rows) {
    const CallQuery query{.webhook_id = 7, .sort = row.sort, .position = row.position};
    Statement statement{"…"};
    add_position(statement, query, reading_order(query));
    BOOST_TEST(shown_binds(statement) == (row.binds.empty() ? "" : row.binds.substr(1)));
    add_order(statement, reading_order(query), query);
    BOOST_TEST(statement.text() == "…" + row.condition + " ORDER BY " + row.order);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
