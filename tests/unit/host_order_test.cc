#include "sql/host_order.h"

#include <boost/test/unit_test.hpp>

namespace webhook_calls {
namespace {

using namespace std::chrono_literals;
using Hosts = std::vector<std::size_t>;
constexpr HostOrder::Clock::time_point kNow{100h};

}  // namespace

BOOST_AUTO_TEST_SUITE(host_order_test)

BOOST_AUTO_TEST_CASE(order_of_the_list) {
  const HostOrder order{3};
  BOOST_TEST(order.all(kNow) == (Hosts{0, 1, 2}), boost::test_tools::per_element());
  BOOST_TEST(order.better(kNow).empty());
  BOOST_TEST(order.current() == 0U);
}

BOOST_AUTO_TEST_CASE(failed_hosts_come_last_for_a_while) {
  HostOrder order{3};
  order.failed(0, kNow);
  BOOST_TEST(order.all(kNow) == (Hosts{1, 2, 0}), boost::test_tools::per_element());
  order.failed(1, kNow + 5s);
  BOOST_TEST(order.all(kNow + 9999ms) == (Hosts{2, 0, 1}), boost::test_tools::per_element());
  BOOST_TEST(order.all(kNow + 10s) == (Hosts{0, 2, 1}), boost::test_tools::per_element());
  order.failed(2, kNow + 10s);
  BOOST_TEST(order.all(kNow + 10s) == (Hosts{0, 1, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(pauses_grow_with_each_failure) {
  HostOrder order{2};
  order.use(1);
  auto now = kNow;
  for (const auto pause : {10s, 20s, 40s, 60s, 60s}) {
    order.failed(0, now);
    BOOST_TEST(order.better(now + pause - 1ms).empty());
    now += pause;
    BOOST_TEST(order.better(now) == Hosts{0}, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(pauses_grow_though_the_host_accepts_connections) {
  HostOrder order{2};
  order.failed(0, kNow);
  order.use(1);
  order.use(0);
  BOOST_TEST(order.all(kNow) == (Hosts{0, 1}), boost::test_tools::per_element());
  order.failed(0, kNow + 15s);
  order.use(1);
  BOOST_TEST(order.better(kNow + 15s + 19999ms).empty());
  BOOST_TEST(order.better(kNow + 35s) == Hosts{0}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(old_failures_are_forgotten) {
  HostOrder order{2};
  order.failed(0, kNow);
  order.failed(0, kNow + 180s);
  order.use(1);
  BOOST_TEST(order.better(kNow + 199999ms).empty());
  order.failed(0, kNow + 361s);
  BOOST_TEST(order.better(kNow + 371s) == Hosts{0}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(only_hosts_before_the_current_one_are_better) {
  HostOrder order{4};
  order.failed(1, kNow);
  order.use(2);
  BOOST_TEST(order.current() == 2U);
  BOOST_TEST(order.better(kNow) == Hosts{0}, boost::test_tools::per_element());
  BOOST_TEST(order.better(kNow + 10s) == (Hosts{0, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
