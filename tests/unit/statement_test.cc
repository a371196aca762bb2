#include "sql/statement.h"

#include <boost/test/unit_test.hpp>
#include <type_traits>

#include "tests/unit/shown.h"

namespace webhook_calls {

BOOST_AUTO_TEST_SUITE(statement_test)

// Only a literal is SQL: what is made at run time does not convert.
static_assert(!std::is_constructible_v<Sql, std::string>);
static_assert(!std::is_constructible_v<Sql, std::string_view>);
static_assert(!std::is_constructible_v<Sql, const char*>);
static_assert(!std::is_constructible_v<Statement, std::string>);
static_assert(Sql{"c.id"}.text() == "c.id");

BOOST_AUTO_TEST_CASE(text_and_values_grow_together) {
  Statement statement{"SELECT a FROM t WHERE b="};
  statement.bind(std::uint64_t{7}).add(" AND c<>").bind(std::string{"x'?--"}).add(" LIMIT ").bind(std::uint64_t{1});
  BOOST_TEST(statement.text() == "SELECT a FROM t WHERE b=? AND c<>? LIMIT ?");
  BOOST_TEST(shown_binds(statement) == "7 'x'?--' 1");
}

BOOST_AUTO_TEST_CASE(a_list_has_a_power_of_two_of_marks) {
  const struct {
    std::uint64_t values;
    std::size_t marks;
  } rows[] = {{1, 1}, {2, 2}, {3, 4}, {4, 4}, {5, 8}, {8, 8}, {9, 16}, {64, 64}, {65, 128}, {100, 128}};
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.values << " values") {
      std::vector<BindValue> values;
      for (std::uint64_t i = 1; i <= row.values; ++i) values.emplace_back(i);
      Statement statement{"IN "};
      statement.bind_list(values);
      std::string marks = "?";
      for (std::size_t i = 1; i < row.marks; ++i) marks += ",?";
      BOOST_TEST(statement.text() == "IN (" + marks + ")");
      BOOST_TEST_REQUIRE(statement.binds().size() == row.marks);
      for (std::size_t i = 0; i < row.marks; ++i) {
        BOOST_TEST((statement.binds()[i] == values[std::min<std::size_t>(i, row.values - 1)]));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
