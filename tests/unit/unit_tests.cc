#define BOOST_TEST_MODULE webhook_calls
#include <boost/test/unit_test.hpp>
