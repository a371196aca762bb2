#include "fcgi/links.h"

#include <boost/test/unit_test.hpp>

#include "fcgi/cursor.h"

namespace webhook_calls {
namespace {

const std::string kPath = "/api/v3/notification/webhook/7/calls";

std::string shown_links(const PageLinks& links) {
  return "first " + links.first + "\nprev " + links.prev + "\nnext " + links.next + "\nlast " + links.last;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(links_test)

BOOST_AUTO_TEST_CASE(self) {
  const struct {
    Route route;
    std::string_view query;
    std::string expected;
  } rows[] = {
      {{7}, "", kPath},
      {{7}, "&&", kPath},
      {{7, 1842}, "", kPath + "/1842"},
      {{7, 1842}, "include=webhook", kPath + "/1842?include=webhook"},
      {{7}, "page[size]=5&page%5bnumber%5d=2", kPath + "?page%5Bsize%5D=5&page%5Bnumber%5D=2"},
      {{7}, "sort=-created_at,id&filter[body]", kPath + "?sort=-created_at,id&filter%5Bbody%5D"},
      {{7}, "filter[body]=a+b%26c%3dd%25%2B%22", kPath + "?filter%5Bbody%5D=a%20b%26c%3Dd%25%2B%22"},
      {{7}, "filter[body]=%C3%BC\xC3\xBC", kPath + "?filter%5Bbody%5D=%C3%BC%C3%BC"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.query) {
      BOOST_TEST(make_self_link(row.route, parse_query_string(row.query).parameters) == row.expected);
    }
  }
}

BOOST_AUTO_TEST_CASE(pages) {
  const std::string number = "page%5Bnumber%5D=";
  const struct {
    std::string_view query;
    std::uint64_t page, size;
    bool more;
    std::optional<std::uint64_t> count;
    std::string before, after;                 ///< the query string round the page number
    std::string_view first, prev, next, last;  ///< page numbers
  } rows[] = {
      {"", 1, 1000, false, {}, "?", "", "1", "", "", ""},
      {"", 1, 1000, true, {}, "?", "", "1", "", "2", ""},
      {"page[number]=2", 2, 1000, false, {}, "?", "", "1", "1", "", ""},
      {"page[number]=3", 3, 1000, true, {}, "?", "", "1", "2", "4", ""},
      // far past the end
      {"page[number]=90", 90, 1000, false, 5, "?", "", "1", "89", "", "1"},
      // the last page, by the count
      {"", 1, 1000, false, 0, "?", "", "1", "", "", "1"},
      {"", 1, 1000, false, 1, "?", "", "1", "", "", "1"},
      {"", 1, 1000, false, 1000, "?", "", "1", "", "", "1"},
      {"", 1, 1000, true, 1001, "?", "", "1", "", "2", "2"},
      {"", 1, 25, true, 120394, "?", "", "1", "", "2", "4816"},
      {"", 1, 1, true, UINT64_MAX, "?", "", "1", "", "2", "18446744073709551615"},
      // every other parameter stays, where it was
      {"sort=-id&page[number]=2&page[size]=5&count=true", 2, 5, true, 11, "?sort=-id&", "&page%5Bsize%5D=5&count=true",
       "1", "1", "3", "3"},
      {"page[size]=5&filter[body]&filter[id]=1&filter[id]=2",
       1,
       5,
       true,
       {},
       "?page%5Bsize%5D=5&filter%5Bbody%5D&filter%5Bid%5D=1&filter%5Bid%5D=2&",
       "",
       "1",
       "",
       "2",
       ""},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.query << " page " << row.page << " of " << row.size) {
      const auto link = [&](std::string_view page) {
        return page.empty() ? "" : std::string{kPath}.append(row.before).append(number).append(page).append(row.after);
      };
      const CallQuery query{.webhook_id = 7, .page_number = row.page, .page_size = row.size};
      const PageLinks links =
          make_page_links({7}, parse_query_string(row.query).parameters, query, row.more, row.count);
      BOOST_TEST(shown_links(links) == shown_links({link(row.first), link(row.prev), link(row.next), link(row.last)}));
    }
  }
}

BOOST_AUTO_TEST_CASE(page_ends) {
  const auto cursor = [](std::uint64_t id) { return make_cursor({BindValue{id}}, {}); };
  const struct {
    std::string_view name, value;  ///< of the parameter that places the page
    std::vector<std::uint64_t> ids;
    bool more;
    std::string prev, next;  ///< query strings
  } rows[] = {
      {"page[after]", "", {3, 4}, true, "", "after=" + cursor(4)},
      {"page[after]", "", {3, 4}, false, "", ""},
      {"page[after]", "", {}, false, "", ""},
      {"page[after]", "2", {3, 4}, true, "before=" + cursor(3), "after=" + cursor(4)},
      {"page[after]", "2", {3}, false, "before=" + cursor(3), ""},
      {"page[after]", "2", {}, false, "before=", ""},
      {"page[before]", "", {3, 4}, true, "before=" + cursor(3), ""},
      {"page[before]", "5", {3, 4}, true, "before=" + cursor(3), "after=" + cursor(4)},
      {"page[before]", "5", {3, 4}, false, "", "after=" + cursor(4)},
      {"page[before]", "5", {}, false, "", "after="},
      // All of the page was purged while it was read: once more from the same place.
      {"page[after]", "", {}, true, "", "after="},
      {"page[after]", "2", {}, true, "before=2", "after=2"},
      {"page[before]", "", {}, true, "before=", ""},
      {"page[before]", "5", {}, true, "before=5", "after=5"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.name << "=" << row.value << " with " << row.ids.size() << " records") {
      CallQuery query{.webhook_id = 7, .position = CallPosition{.before = row.name == "page[before]"}};
      if (!row.value.empty()) query.position->values = {BindValue{std::uint64_t{2}}};
      PageEnds ends{query};
      for (const std::uint64_t id : row.ids) ends.add({.id = id});
      const PageLinks links =
          ends.links({7}, {{"count", "true"}, {std::string{row.name}, std::string{row.value}}}, row.more);
      const auto link_of = [&](std::string place) {
        return place.empty() ? "" : kPath + "?count=true&page%5B" + place.replace(place.find('='), 1, "%5D=");
      };
      BOOST_TEST(links.prev == link_of(row.prev));
      BOOST_TEST(links.next == link_of(row.next));
      BOOST_TEST((links.first + links.last).empty());
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
