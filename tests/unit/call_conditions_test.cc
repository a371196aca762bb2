#include "sql/call_conditions.h"

#include <boost/test/unit_test.hpp>

#include "tests/unit/shown.h"

namespace webhook_calls {

namespace {
const std::string kCutoff = "2026-09-02 10:00:00.000";
}

BOOST_AUTO_TEST_SUITE(call_conditions_test)

BOOST_AUTO_TEST_CASE(filters) {
  using enum Operator;
  const FilterValue three{std::uint64_t{3}}, seven{std::uint64_t{7}}, text{std::string{"a'?"}}, empty{std::string{}};
  const FilterValue four_hundreds{CodeClass{4}};
  const FilterValue sharp{Instant{1793527200000}}, finer{Instant{1793527200000, true}};
  const auto code = [&](Operator op) { return Filter{CallField::http_code, op, {three}}; };
  const auto time = [&](Operator op, const FilterValue& value) { return Filter{CallField::created_at, op, {value}}; };
  const std::string ten = " '2026-11-01 10:00:00.000'";
  const struct {
    std::vector<Filter> filters;
    std::string text, binds;
  } rows[] = {
      {{}, "", ""},
      {{{CallField::id, any_of, {three}}}, " AND c.id IN (?)", " 3"},
      {{{CallField::id, any_of, {three, seven, three}}}, " AND c.id IN (?,?,?,?)", " 3 7 3 3"},
      // numbers that no column holds select nothing
      {{{CallField::id}}, " AND FALSE", ""},
      {{{CallField::http_code, gte}}, " AND FALSE", ""},
      {{{CallField::http_code}}, " AND FALSE", ""},
      // the webhook is the path's
      {{{CallField::webhook_id, any_of, {seven}}}, "", ""},
      {{{CallField::webhook_id, any_of, {three, seven}}}, "", ""},
      {{{CallField::webhook_id, any_of, {three}}}, " AND FALSE", ""},
      {{{CallField::webhook_id}}, " AND FALSE", ""},
      {{code(any_of)}, " AND c.http_code IN (?)", " 3"},
      {{code(lt)}, " AND c.http_code<?", " 3"},
      {{code(lte)}, " AND c.http_code<=?", " 3"},
      {{code(gt)}, " AND c.http_code>?", " 3"},
      {{code(gte)}, " AND c.http_code>=?", " 3"},
      {{{CallField::http_code, any_of, {}, true}}, " AND c.http_code IS NULL", ""},
      {{{CallField::http_code, any_of, {three}, true}}, " AND (c.http_code IN (?) OR c.http_code IS NULL)", " 3"},
      {{{CallField::headers, any_of, {empty, text}}},
       " AND c.headers IN (CAST(? AS BINARY),CAST(? AS BINARY))",
       " '' 'a'?'"},
      {{{CallField::headers, any_of, {}, true}}, " AND c.headers IS NULL", ""},
      {{{CallField::body, any_of, {text}, true}}, " AND (c.body IN (CAST(? AS BINARY)) OR c.body IS NULL)", " 'a'?'"},
      {{{CallField::http_code, any_of, {four_hundreds}}}, " AND c.http_code BETWEEN ? AND ?", " 400 499"},
      {{{CallField::http_code, any_of, {three, four_hundreds, seven}, true}},
       " AND (c.http_code BETWEEN ? AND ? OR c.http_code IN (?,?) OR c.http_code IS NULL)",
       " 400 499 3 7"},
      // null is not equal to anything
      {{{CallField::id, none_of, {three}}}, " AND NOT COALESCE(c.id IN (?),FALSE)", " 3"},
      {{{CallField::id, none_of}}, " AND NOT COALESCE(FALSE,FALSE)", ""},
      {{{CallField::body, none_of, {}, true}}, " AND NOT COALESCE(c.body IS NULL,FALSE)", ""},
      {{{CallField::http_code, none_of, {three, four_hundreds}}},
       " AND NOT COALESCE((c.http_code BETWEEN ? AND ? OR c.http_code IN (?)),FALSE)",
       " 400 499 3"},
      {{{CallField::webhook_id, none_of, {three}}}, "", ""},
      {{{CallField::webhook_id, none_of, {three, seven}}}, " AND FALSE", ""},
      {{{CallField::webhook_id, none_of}}, "", ""},
      {{{CallField::body, contains, {text}}},
       " AND LOCATE(CONVERT(CAST(? AS BINARY) USING hp8) COLLATE hp8_english_ci,CONVERT(c.body USING hp8))>0",
       " 'a'?'"},
      {{{CallField::headers, starts_with, {text}}},
       " AND LOCATE(CONVERT(CAST(? AS BINARY) USING hp8) COLLATE hp8_english_ci,CONVERT(LEFT(c.headers,?) USING "
       "hp8))>0",
       " 'a'?' 3"},
      {{{CallField::headers, ends_with, {empty}}},
       " AND LOCATE(CONVERT(CAST(? AS BINARY) USING hp8) COLLATE hp8_english_ci,CONVERT(RIGHT(c.headers,?) USING "
       "hp8))>0",
       " '' 0"},
      // an instant between two milliseconds equals no record
      {{time(any_of, sharp)}, " AND c.created_at IN (?)", ten},
      {{time(any_of, finer)}, " AND FALSE", ""},
      {{{CallField::created_at, any_of, {finer, sharp}}}, " AND c.created_at IN (?)", ten},
      {{time(lt, sharp)}, " AND c.created_at<?", ten},
      {{time(lt, finer)}, " AND c.created_at<=?", ten},
      {{time(lte, sharp)}, " AND c.created_at<=?", ten},
      {{time(lte, finer)}, " AND c.created_at<=?", ten},
      {{time(gt, sharp)}, " AND c.created_at>?", ten},
      {{time(gt, finer)}, " AND c.created_at>?", ten},
      {{time(gte, sharp)}, " AND c.created_at>=?", ten},
      {{time(gte, finer)}, " AND c.created_at>?", ten},
      {{time(gte, std::string{"2026-11-01 10:00:00.000000"})}, " AND c.created_at>=?", " '2026-11-01 10:00:00.000000'"},
      // all must hold
      {{time(gte, sharp), time(lt, finer), code(any_of), {CallField::id}},
       " AND c.created_at>=? AND c.created_at<=? AND c.http_code IN (?) AND FALSE",
       ten + ten + " 3"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.text << row.binds) {
      Statement statement{"…"};
      add_conditions(statement, {.webhook_id = 7, .filters = row.filters}, {kCutoff, {}});
      BOOST_TEST(statement.text() == "… WHERE c.webhook_id=? AND c.created_at>?" + row.text);
      BOOST_TEST(shown_binds(statement) == "7 '2026-09-02 10:00:00.000'" + row.binds);
    }
  }
}

BOOST_AUTO_TEST_CASE(accepted_numbers) {
  using enum Operator;
  const FilterValue ten{std::uint64_t{10}}, twenty{std::uint64_t{20}}, hundreds{CodeClass{1}};
  const struct {
    Filter filter;
    std::string numbers;  // of those below
    bool null;
  } rows[] = {
      {{CallField::http_code, any_of, {ten, twenty}}, " 10 20", false},
      {{CallField::http_code, any_of, {hundreds}}, " 100 199", false},
      {{CallField::http_code, any_of, {ten, hundreds}, true}, " 10 100 199", true},
      {{CallField::http_code, any_of, {}, true}, "", true},
      {{CallField::http_code, none_of, {ten, hundreds}}, " 9 11 20 99 200", true},
      {{CallField::http_code, none_of, {}, true}, " 9 10 11 20 99 100 199 200", false},
      {{CallField::http_code, none_of}, " 9 10 11 20 99 100 199 200", true},
      {{CallField::http_code, lt, {ten}}, " 9", false},
      {{CallField::http_code, lte, {ten}}, " 9 10", false},
      {{CallField::http_code, gt, {ten}}, " 11 20 99 100 199 200", false},
      {{CallField::http_code, gte, {ten}}, " 10 11 20 99 100 199 200", false},
      {{CallField::http_code, gte}, "", false},
  };
  for (const auto& row : rows) {
    std::string numbers;
    for (const std::uint64_t number : {9, 10, 11, 20, 99, 100, 199, 200}) {
      if (accepts(row.filter, number)) numbers += " " + std::to_string(number);
    }
    BOOST_TEST(numbers == row.numbers);
    BOOST_TEST(accepts_null(row.filter) == row.null);
  }
}

BOOST_AUTO_TEST_CASE(ids) {
  const struct {
    std::vector<IdRange> ids;
    std::string text, binds;
  } rows[] = {
      {{}, "", ""},
      {{{5}}, " AND (c.id>=? AND c.id<=?)", " 5 18446744073709551615"},
      {{{5, 9}}, " AND (c.id>=? AND c.id<=?)", " 5 9"},
      {{{5, 9}, {20, 30}}, " AND (c.id>=? AND c.id<=? OR c.id>=? AND c.id<=?)", " 5 9 20 30"},
      {{{5, 9}, {20, 30}, {40, 50}},
       " AND (c.id>=? AND c.id<=? OR c.id>=? AND c.id<=? OR c.id>=? AND c.id<=? OR c.id>=? AND c.id<=?)",
       " 5 9 20 30 40 50 40 50"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.text) {
      const CallQuery query{.webhook_id = 7, .filters = {{CallField::id}}};
      Statement statement{"…"};
      add_conditions(statement, query, {kCutoff, row.ids});
      BOOST_TEST(statement.text() == "… WHERE c.webhook_id=? AND c.created_at>?" + row.text + " AND FALSE");
      BOOST_TEST(shown_binds(statement) == "7 '" + kCutoff + "'" + row.binds);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
