#include "fcgi/request_log.h"

#include <rapidjson/document.h>

#include <boost/test/unit_test.hpp>

namespace webhook_calls {
namespace {

using namespace std::chrono_literals;
constexpr std::chrono::system_clock::time_point kNow{1793527200123ms};

}  // namespace

BOOST_AUTO_TEST_SUITE(request_log_test)

BOOST_AUTO_TEST_CASE(all_keys) {
  const RequestRecord record{.request_id = "7f3a",
                             .method = "GET",
                             .account_id = 42,
                             .webhook_id = 7,
                             .route = "list",
                             .status = 200,
                             .rows = 25,
                             .bytes = 10240,
                             .database_time = 1234567ns,
                             .total_time = 12345678900ns,
                             .outcome = "complete",
                             .retried = true,
                             .error = "Lost connection"};
  BOOST_TEST(format_log_line(record, kNow) ==
             R"({"time":"2026-11-01T10:00:00.123Z","event":"request","request_id":"7f3a","method":"GET","account":42,)"
             R"("webhook":7,"route":"list","status":200,"rows":25,"bytes":10240,"database_ms":1.234,)"
             R"("total_ms":12345.678,"outcome":"complete","retried":1,"error":"Lost connection"})"
             "\n");
}

BOOST_AUTO_TEST_CASE(what_is_not_known) {
  const RequestRecord record{.request_id = "7f3a", .method = "POST", .status = 404, .outcome = "complete"};
  BOOST_TEST(format_log_line(record, kNow) ==
             R"({"time":"2026-11-01T10:00:00.123Z","event":"request","request_id":"7f3a","method":"POST",)"
             R"("account":null,"webhook":null,"route":"other","status":404,"rows":0,"bytes":0,"database_ms":0.000,)"
             R"("total_ms":0.000,"outcome":"complete"})"
             "\n");
}

BOOST_AUTO_TEST_CASE(always_one_line_of_json) {
  std::string bytes;
  for (unsigned byte = 0; byte < 0x100; ++byte) bytes += static_cast<char>(byte);
  const RequestRecord record{.request_id = bytes, .method = bytes, .outcome = "client_gone", .error = bytes};
  const std::string line = format_log_line(record, kNow);
  BOOST_TEST(line.find('\n') == line.size() - 1);
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(line.data(), line.size());
  BOOST_TEST(!document.HasParseError());
}

BOOST_AUTO_TEST_CASE(another_database_host) {
  BOOST_TEST(format_log_line(NewHost{"db2:3306", "db1:3306: 2002 \"refused\""}, kNow) ==
             R"({"time":"2026-11-01T10:00:00.123Z","event":"database_host","host":"db2:3306",)"
             R"("error":"db1:3306: 2002 \"refused\""})"
             "\n");
  BOOST_TEST(format_log_line(NewHost{"unix:/run/db.sock"}, kNow) ==
             R"({"time":"2026-11-01T10:00:00.123Z","event":"database_host","host":"unix:/run/db.sock"})"
             "\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
