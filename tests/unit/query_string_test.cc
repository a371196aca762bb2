#include "fcgi/query_string.h"

#include <boost/test/unit_test.hpp>

#include "tests/unit/shown.h"

namespace webhook_calls {
namespace {

/// `name=value|name`, all bytes shown.
std::string shown_parameters(const std::vector<Parameter>& parameters) {
  std::string text;
  for (const Parameter& parameter : parameters) {
    if (!text.empty()) text += '|';
    text += shown(parameter.name);
    if (parameter.value) text += "=" + shown(*parameter.value);
  }
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(query_string_test)

BOOST_AUTO_TEST_CASE(parameters) {
  const struct {
    std::string_view text, expected, built;
  } rows[] = {
      {"", "", ""},
      {"&", "", ""},
      {"&&a=1&&&b=2&", "a=1|b=2", "a=1&b=2"},
      {"a", "a", "a"},
      {"a=", "a=", "a="},
      {"a=b=c", "a=b=c", "a=b%3Dc"},
      {"a==", "a==", "a=%3D"},
      {"a=1&a=2&a", "a=1|a=2|a", "a=1&a=2&a"},
      // split first, decode after
      {"a%26b=c%26d%3De", "a&b=c&d=e", "a%26b=c%26d%3De"},
      {"a%3Db=c", "a=b=c", "a%3Db=c"},
      {"a=%2526", "a=%26", "a=%2526"},
      // one key in several spellings
      {"page[size]=1", "page[size]=1", "page%5Bsize%5D=1"},
      {"page%5Bsize%5D=1", "page[size]=1", "page%5Bsize%5D=1"},
      {"page%5bsize]=1", "page[size]=1", "page%5Bsize%5D=1"},
      {"p%61ge[size%5D=%31", "page[size]=1", "page%5Bsize%5D=1"},
      {"a+b=c+d", "a b=c d", "a%20b=c%20d"},
      {"a=%2B%20", "a=+ ", "a=%2B%20"},
      {"a=%c3%BC", "a=\\xC3\\xBC", "a=%C3%BC"},
      {"a=\xC3\xBC", "a=\\xC3\\xBC", "a=%C3%BC"},
      {"a=%F0%9F%98%80", "a=\\xF0\\x9F\\x98\\x80", "a=%F0%9F%98%80"},
      {"a=%01%7f", "a=\\x01\\x7F", "a=%01%7F"},
      {"a=-._~,:/Az09", "a=-._~,:/Az09", "a=-._~,:/Az09"},
      {"a=;?#@!$'()*\"<>", "a=;?#@!$'()*\"<>", "a=%3B%3F%23%40%21%24%27%28%29%2A%22%3C%3E"},
      {"a;b=c", "a;b=c", "a%3Bb=c"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.text) {
      const QueryString query = parse_query_string(row.text);
      BOOST_TEST(shown_parameters(query.parameters) == row.expected);
      BOOST_TEST(query.faults.empty());
      const std::string built = build_query_string(query.parameters);
      BOOST_TEST(built == row.built);
      BOOST_TEST((parse_query_string(built).parameters == query.parameters));
    }
  }
}

BOOST_AUTO_TEST_CASE(faults) {
  using namespace std::string_literals;
  const struct {
    std::string_view text;
    std::vector<std::string> parameters;  ///< of the faults
    std::string_view left;                ///< what is not faulty
  } rows[] = {
      {"=x", {""}, ""},
      {"=", {""}, ""},
      {"a=1&=2&b=3", {""}, "a=1|b=3"},
      {"a=%", {"a"}, ""},
      {"a=%4", {"a"}, ""},
      {"a=%4&b=%41", {"a"}, "b=A"},
      {std::string_view{"a=%41", 4}, {"a"}, ""},  // what stands behind the text is not read
      {"a=%zz", {"a"}, ""},
      {"a=%4g", {"a"}, ""},
      {"a=%g4", {"a"}, ""},
      {"a=%+1", {"a"}, ""},
      {"a=%%41", {"a"}, ""},
      {"a=100%", {"a"}, ""},
      {"a=%u0041", {"a"}, ""},
      {"page%5Bsize%5D=%4", {"page[size]"}, ""},
      {"%zz=1", {"%zz"}, ""},
      {"%zz", {"%zz"}, ""},
      {"a=%00", {"a"}, ""},
      {"a=x%00y", {"a"}, ""},
      {"a%00b=1", {"a\0b"s}, ""},
      {"a=%80", {"a"}, ""},
      {"a=\xFF", {"a"}, ""},
      {"a=%C3", {"a"}, ""},
      {"a=%C3&b=%BC", {"a", "b"}, ""},
      {"a=%C0%AF", {"a"}, ""},
      {"a=%ED%A0%80", {"a"}, ""},
      {"a=%F4%90%80%80", {"a"}, ""},
      {"%FF=1", {"\xFF"}, ""},
      {"a=%&b=%00&=&c=1&d=%FF", {"a", "b", "", "d"}, "c=1"},
      {"a=%&a=%", {"a", "a"}, ""},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(shown(row.text)) {
      const QueryString query = parse_query_string(row.text);
      BOOST_TEST(shown_parameters(query.parameters) == row.left);
      BOOST_TEST_REQUIRE(query.faults.size() == row.parameters.size());
      for (std::size_t i = 0; i < query.faults.size(); ++i) {
        BOOST_TEST(shown(query.faults[i].parameter) == shown(row.parameters[i]));
        BOOST_TEST(!query.faults[i].detail.empty());
        BOOST_TEST(query.faults[i].header.empty());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(words) {
  BOOST_TEST(quoted("a") == "\"a\"");
  const Fault fault = must_be("page[size]", "a whole number from 1 to 1000", "0");
  BOOST_TEST(fault.detail == "page[size] must be a whole number from 1 to 1000, not \"0\".");
  BOOST_TEST(fault.parameter == "page[size]");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
