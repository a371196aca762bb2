#include "sql/database.h"

#include <boost/test/unit_test.hpp>

namespace webhook_calls {

BOOST_AUTO_TEST_SUITE(database_test)

BOOST_AUTO_TEST_CASE(names_of_hosts) {
  BOOST_TEST(name_of({.socket = "/run/db.sock"}) == "unix:/run/db.sock");
  BOOST_TEST(name_of({.host = "db1"}) == "db1:3306");
  BOOST_TEST(name_of({.host = "192.0.2.1", .port = 3307}) == "192.0.2.1:3307");
  BOOST_TEST(name_of({.host = "2001:db8::1", .port = 3307}) == "[2001:db8::1]:3307");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
