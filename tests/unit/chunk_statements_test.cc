#include "sql/chunk_statements.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "tests/unit/shown.h"

namespace webhook_calls {
namespace {

const std::string kCutoff = "2026-09-02 10:00:00.000";
const std::string kChunks = " FROM webhook_call_chunks k FORCE INDEX (PRIMARY) WHERE k.webhook_id=?";
const std::string kCodes = " FROM webhook_call_chunk_codes k FORCE INDEX (by_code) WHERE k.webhook_id=?";

const std::string kIds = " AND k.first_id>=? AND k.first_id<=? AND k.last_id<=?";

const Filter kFrom{CallField::created_at, Operator::gte, {Instant{1793527200000}}};
const Filter kUntil{CallField::created_at, Operator::lt, {Instant{1793527200000, true}}};
const Filter kFailed{CallField::http_code, Operator::any_of, {std::uint64_t{500}}, true};
const std::string kTime = "'2026-11-01 10:00:00.000'";

CallQuery query_of(std::vector<Filter> filters) { return {.webhook_id = 7, .filters = std::move(filters)}; }

void check(const Statement& statement, const std::string& text, const std::string& binds) {
  BOOST_TEST(statement.text() == text);
  BOOST_TEST(shown_binds(statement) == binds);
  BOOST_TEST(static_cast<std::size_t>(std::ranges::count(statement.text(), '?')) == statement.binds().size());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(chunk_statements_test)

BOOST_AUTO_TEST_CASE(one_webhook) {
  check(select_sealed(7),
        "SELECT UTC_TIMESTAMP(3)-INTERVAL 60 DAY,(SELECT k.first_id FROM webhook_call_chunks k FORCE INDEX (PRIMARY)"
        " WHERE k.webhook_id=w.id AND k.max_at>UTC_TIMESTAMP(3)-INTERVAL 60 DAY ORDER BY k.first_id LIMIT 1),"
        "(SELECT k.last_id FROM webhook_call_chunks k FORCE INDEX (PRIMARY) WHERE k.webhook_id=w.id"
        " ORDER BY k.first_id DESC LIMIT 1) FROM (SELECT ? AS id) w",
        "7");
  check(select_next_code(7, 400),
        "SELECT c.http_code FROM webhook_calls c FORCE INDEX (by_code) WHERE c.webhook_id=? AND c.http_code>=?"
        " ORDER BY c.http_code LIMIT 1",
        "7 400");
}

// A bound asks one thing of chunks that lie within wholly, and another of those of which any record may.
BOOST_AUTO_TEST_CASE(times) {
  const std::string cutoff = "'" + kCutoff + "'";
  const struct {
    std::vector<Filter> filters;
    IdRange ids;
    std::string numbers, numbers_binds, id_terms, id_binds, whole, within, sides, times;
  } rows[] = {
      {{},
       {},
       kChunks,
       "7",
       kIds,
       " 0 18446744073709551615 18446744073709551615",
       "k.min_at>?",
       "k.max_at>?",
       "k.min_at>?,TRUE",
       cutoff},
      {{},
       {5},
       kChunks,
       "7",
       kIds,
       " 5 18446744073709551615 18446744073709551615",
       "k.min_at>?",
       "k.max_at>?",
       "k.min_at>?,TRUE",
       cutoff},
      {{kFrom, kUntil},
       {5, 9},
       kChunks,
       "7",
       kIds,
       " 5 9 9",
       "k.min_at>? AND k.min_at>=? AND k.max_at<=?",
       "k.max_at>? AND k.max_at>=? AND k.min_at<=?",
       "k.min_at>? AND k.min_at>=?,TRUE AND k.max_at<=?",
       cutoff + " " + kTime + " " + kTime},
      {{kUntil, kFailed},
       {0, 9},
       kCodes + " AND (k.http_code IN (?) OR k.http_code IS NULL)",
       "7 500",
       kIds,
       " 0 9 9",
       "k.min_at>? AND k.max_at<=?",
       "k.max_at>? AND k.min_at<=?",
       "k.min_at>?,TRUE AND k.max_at<=?",
       cutoff + " " + kTime},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.whole << row.numbers) {
      const CallQuery query = query_of(row.filters);
      const ChunkScope scope{query, kCutoff, row.ids};
      const std::string within = " WHERE k.webhook_id=?" + row.id_terms + " AND " + row.within;
      const auto from = [](const std::string& index) {
        return " FROM webhook_call_chunks k FORCE INDEX (" + index + ")";
      };
      const std::string within_binds = "7" + row.id_binds + " " + row.times;
      check(sum_whole_chunks(scope),
            "SELECT CAST(COALESCE(SUM(k.n),0) AS UNSIGNED)" + row.numbers + row.id_terms + " AND " + row.whole,
            row.numbers_binds + row.id_binds + " " + row.times);
      check(select_chunks(scope),
            "SELECT k.first_id,k.last_id," + row.whole + from("PRIMARY") + within + " ORDER BY k.first_id",
            row.times + " " + within_binds);
      check(select_partial_chunks(scope),
            "SELECT k.first_id,k.last_id," + row.sides + from("by_time") + within + " AND NOT (" + row.whole +
                ") ORDER BY k.first_id",
            row.times + " " + within_binds + " " + row.times);
    }
  }
}

BOOST_AUTO_TEST_CASE(groups) {
  CallQuery query = query_of({kFrom});
  query.count_by = {.seconds = 86'400};
  const std::string times = " AND k.min_at>? AND k.min_at>=?", bounds = " '" + kCutoff + "' " + kTime;
  const std::string day = "SELECT TO_SECONDS(k.min_at) DIV ? AS t,";
  check(sum_groups({query, kCutoff}, {.all_but = true}),
        day + "0 AS g,CAST(SUM(k.n) AS UNSIGNED)" + kChunks + kIds + times + " GROUP BY t,g LIMIT ?",
        "86400 7 0 18446744073709551615 18446744073709551615" + bounds + " 20001");
  check(select_crossing_chunks({query, kCutoff}),
        "SELECT k.first_id,k.last_id,TO_SECONDS(k.min_at),TO_SECONDS(k.max_at)" + kChunks + kIds + times +
            " AND TO_SECONDS(k.min_at) DIV ?<TO_SECONDS(k.max_at) DIV ?",
        "7 0 18446744073709551615 18446744073709551615" + bounds + " 86400 86400");
  const CallQuery between = query_of({kFrom, kUntil});
  check(select_whole_range({between, kCutoff}),
        "SELECT MIN(k.first_id),MAX(k.last_id) FROM webhook_call_chunks k FORCE INDEX (by_time) WHERE k.webhook_id=?" +
            times + " AND k.max_at<=? AND k.min_at<=?",
        "7" + bounds + " " + kTime + " " + kTime);
  query.count_by.codes = 100;
  const BindValue first_ids[] = {std::uint64_t{1}, std::uint64_t{4097}, std::uint64_t{8193}};
  check(sum_groups({query, kCutoff}, {.first_ids = first_ids}),
        day +
            "k.http_code DIV ? AS g,CAST(SUM(k.n) AS UNSIGNED) FROM webhook_call_chunk_codes k FORCE INDEX (PRIMARY)"
            " WHERE k.webhook_id=?" +
            kIds + times + " AND k.first_id IN (?,?,?,?) GROUP BY t,g LIMIT ?",
        "86400 100 7 0 18446744073709551615 18446744073709551615" + bounds + " 1 4097 8193 8193 20001");
  BOOST_TEST(sum_groups({query, kCutoff}, {true, first_ids}).text().find(" AND k.first_id NOT IN (?,?,?,?) GROUP BY") !=
             std::string::npos);
  query.filters.push_back(kFailed);
  BOOST_TEST(sum_groups({query, kCutoff}, {.all_but = true}).text().find(kCodes + " AND (k.http_code IN (?)") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(skipping_and_reaching) {
  const CallQuery query = query_of({});
  const ChunkScope scope{query, kCutoff, {5}};
  const std::string binds = " 7 5 18446744073709551615 18446744073709551615 '" + kCutoff + "'";
  const struct {
    ChunkOrder order;
    std::string skip, passed, skip_by, reach, reach_by, sorted_by;
  } rows[] = {
      {{false, false}, "MAX", "x.upto", "k.last_id", "MIN", "k.last_id", "k.first_id"},
      {{false, true}, "MIN", "x.upto", "k.first_id", "MAX", "k.first_id", "k.first_id DESC"},
      {{true, false}, "MAX", "x.upto-x.n", "k.min_at", "MIN", "k.max_at", "k.max_at"},
      {{true, true}, "MIN", "x.upto-x.n", "k.max_at", "MAX", "k.min_at", "k.min_at DESC"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.skip << "(" << row.skip_by << ")") {
      const std::string chunks = kChunks + kIds + " AND k.min_at>?";
      const std::string direction = row.order.descending ? " DESC" : "";
      check(select_skip(scope, row.order, 9000),
            "SELECT " + row.skip + "(IF(" + row.passed + "<=?,x.position,NULL)),CAST(COALESCE(MAX(IF(" + row.passed +
                "<=?," + row.passed + ",0)),0) AS UNSIGNED),CAST(COALESCE(MAX(" + row.passed +
                "),0) AS UNSIGNED) FROM (SELECT " + row.skip_by + " AS position,k.n,SUM(k.n) OVER (ORDER BY " +
                row.skip_by + direction + ") AS upto" + chunks + ") x",
            "9000 9000" + binds);
      check(select_reach(scope, row.order, 26),
            "SELECT " + row.reach + "(x.position) FROM (SELECT k.position,SUM(k.n) OVER (ORDER BY k.position" +
                direction + ") AS upto FROM (SELECT " + row.reach_by + " AS position,k.n" + chunks + " ORDER BY " +
                row.sorted_by + " LIMIT ?) k) x WHERE x.upto>=?",
            binds.substr(1) + " 26 26");
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
