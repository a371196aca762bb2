#include "fcgi/route.h"

#include <boost/test/unit_test.hpp>

#include "fcgi/api_error.h"
#include "tests/unit/shown.h"

namespace webhook_calls {

BOOST_AUTO_TEST_SUITE(route_test)

BOOST_AUTO_TEST_CASE(found) {
  const struct {
    std::string path;
    std::uint64_t webhook_id;
    std::optional<std::uint64_t> call_id;
  } rows[] = {
      {"/api/v3/notification/webhook/7/calls", 7, {}},
      {"/api/v3/notification/webhook/7/calls/1842", 7, 1842},
      {"/api/v3/notification/webhook/0/calls/0", 0, 0},
      {"/api/v3/notification/webhook/10/calls/100", 10, 100},
      {"/api/v3/notification/webhook/18446744073709551615/calls/18446744073709551615", UINT64_MAX, UINT64_MAX},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.path) {
      const Route route = parse_route(row.path);
      BOOST_TEST(route.webhook_id == row.webhook_id);
      BOOST_TEST((route.call_id == row.call_id));
      BOOST_TEST(route.path() == row.path);
    }
  }
}

BOOST_AUTO_TEST_CASE(not_found) {
  const std::string base = "/api/v3/notification/webhook/";
  const std::string rows[] = {
      "", "/", "/api/v3/notification/webhook", base, base + "7", base + "7/", base + "7/call", base + "7/callss",
      // a trailing slash, or one too many
      base + "7/calls/", base + "7/calls/1/", base + "7/calls//1", base + "7//calls", base + "/7/calls",
      base + "/calls", "/" + base + "7/calls", base + "7/calls/1/2", base + "7/calls/../calls",
      // other paths
      "api/v3/notification/webhook/7/calls", "/API/v3/notification/webhook/7/calls",
      "/api/v2/notification/webhook/7/calls", "/api/v3/notification/webhooks/7/calls", base + "7/Calls",
      "/x" + base + "7/calls", base + "7/calls?x", base + "7/calls ", " " + base + "7/calls",
      // malformed ids
      base + "07/calls", base + "00/calls", base + "+7/calls", base + "-7/calls", base + "7a/calls", base + "a7/calls",
      base + " 7/calls", base + "7 /calls", base + "7.0/calls", base + "0x7/calls", base + "7,8/calls",
      base + "18446744073709551616/calls", base + "99999999999999999999999/calls", base + "7/calls/abc",
      base + "7/calls/01", base + "7/calls/-1", base + "7/calls/1a", base + "7/calls/18446744073709551616",
      base + "\xD9\xA7/calls", base + std::string{"7\0/calls", 8}, base + std::string{"7/calls\0", 8}};
  for (const std::string& path : rows) {
    BOOST_TEST_CONTEXT('"' << shown(path) << '"') {
      BOOST_CHECK_EXCEPTION(static_cast<void>(parse_route(path)), ApiError, [](const ApiError& error) {
        return error.kind().status == 404 && error.faults().size() == 1 && !error.faults().front().detail.empty();
      });
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
