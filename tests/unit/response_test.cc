#include "fcgi/response.h"

#include <boost/test/unit_test.hpp>

#include "tests/unit/recording.h"

namespace webhook_calls {

BOOST_AUTO_TEST_SUITE(response_test)

BOOST_AUTO_TEST_CASE(small_body_leaves_whole_with_its_length) {
  Recording output;
  Response response{output, false};
  response.add_header("Content-Type", "text/plain");
  response.add_header("X-A", "b");
  response.body() += "12345";
  response.flow();
  response.body() += "67";
  BOOST_TEST(!response.started());
  BOOST_TEST(output.sizes.empty());
  response.finish();
  BOOST_TEST(output.sizes.size() == 1U);
  BOOST_TEST(output.ended);
  BOOST_TEST(output.text == "Status: 200 OK\r\nContent-Type: text/plain\r\nX-A: b\r\nContent-Length: 7\r\n\r\n1234567");
  BOOST_TEST(response.bytes() == 7U);
  BOOST_TEST(response.started());
  BOOST_TEST(!response.client_gone());
}

BOOST_AUTO_TEST_CASE(statuses) {
  const struct {
    int status;
    std::string_view line;
  } rows[] = {
      {200, "200 OK"},
      {304, "304 Not Modified"},
      {400, "400 Bad Request"},
      {401, "401 Unauthorized"},
      {404, "404 Not Found"},
      {405, "405 Method Not Allowed"},
      {406, "406 Not Acceptable"},
      {415, "415 Unsupported Media Type"},
      {500, "500 Internal Server Error"},
      {503, "503 Service Unavailable"},
  };
  for (const auto& row : rows) {
    Recording output;
    Response response{output, false};
    response.set_status(row.status);
    response.finish();
    BOOST_TEST(response.status() == row.status);
    const std::string length = row.status == 304 ? "" : "Content-Length: 0\r\n";
    BOOST_TEST(output.text == std::string{"Status: "}.append(row.line) + "\r\n" + length + "\r\n");
  }
}

BOOST_AUTO_TEST_CASE(the_largest_held_body) {
  Recording output;
  Response response{output, false};
  const std::string body(Response::kHeldBytes, 'x');
  response.body() = body;
  response.flow();
  BOOST_TEST(!response.started());
  response.finish();
  BOOST_TEST((output.text == "Status: 200 OK\r\nContent-Length: 655360\r\n\r\n" + body));
}

BOOST_AUTO_TEST_CASE(larger_body_flows_without_length) {
  Recording output;
  Response response{output, false};
  std::string expected = "Status: 200 OK\r\nX-A: b\r\n\r\n";
  response.add_header("X-A", "b");
  for (int i = 0; i < 3000; ++i) {
    const std::string piece(1000, static_cast<char>('a' + i % 26));
    response.body() += piece;
    expected += piece;
    response.flow();
    BOOST_TEST(response.started() == (i >= 655));
    BOOST_TEST(response.body().size() <= Response::kHeldBytes);
    BOOST_TEST(!output.ended);
  }
  response.finish();
  BOOST_TEST(output.ended);
  BOOST_TEST((output.text == expected));
  BOOST_TEST(response.bytes() == 3000000U);
  BOOST_TEST(output.sizes.size() <= 5U);  // not a write for each piece
}

BOOST_AUTO_TEST_CASE(head_sends_the_same_header_and_no_body) {
  Recording output;
  Response response{output, true};
  response.body() = "12345";
  BOOST_TEST(response.wants_more());
  response.finish();
  BOOST_TEST(output.text == "Status: 200 OK\r\nContent-Length: 5\r\n\r\n");
  BOOST_TEST(response.bytes() == 0U);

  Recording large_output;
  Response large{large_output, true};
  large.body().assign(Response::kHeldBytes + 1, 'x');
  large.flow();
  BOOST_TEST(!large.wants_more());
  large.body().assign(1U << 20U, 'x');
  large.flow();
  large.finish();
  BOOST_TEST(large_output.text == "Status: 200 OK\r\n\r\n");
  BOOST_TEST(large.bytes() == 0U);
  BOOST_TEST(!large.client_gone());
  BOOST_TEST(large_output.ended);
}

BOOST_AUTO_TEST_CASE(nothing_is_written_to_a_client_that_has_gone) {
  for (const std::size_t failing : {0U, 1U, 2U}) {
    BOOST_TEST_CONTEXT("write " << failing) {
      Recording output{failing};
      Response response{output, false};
      for (int i = 0; i < 4; ++i) {
        response.body().append(1U << 20U, 'x');
        response.flow();
        BOOST_TEST(response.body().empty());
      }
      response.finish();
      BOOST_TEST(response.client_gone());
      BOOST_TEST(!response.wants_more());
      BOOST_TEST(output.sizes.size() == failing + 1);
      BOOST_TEST(response.bytes() == failing << 20U);
    }
  }
}

BOOST_AUTO_TEST_CASE(reset_drops_everything) {
  Recording output;
  Response response{output, false};
  response.set_status(503);
  response.add_header("ETag", "\"a\"");
  response.body().assign(Response::kHeldBytes, 'x');
  response.flow();
  response.reset();
  response.set_status(404);
  response.add_header("X-A", "b");
  response.body() += "{}";
  response.finish();
  BOOST_TEST(output.text == "Status: 404 Not Found\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}");

  Recording untouched;
  Response blank{untouched, false};
  blank.set_status(503);
  BOOST_TEST(blank.reset());
  BOOST_TEST(blank.status() == 200);
}

BOOST_AUTO_TEST_CASE(reset_after_a_part_was_written) {
  for (const bool keeps : {true, false}) {
    Recording output;
    output.keeps = keeps;
    Response response{output, false};
    response.body().assign(Response::kHeldBytes + 1, 'x');
    response.flow();
    const std::string written = output.text;
    BOOST_TEST(response.reset() == !keeps);
    BOOST_TEST(response.started() == keeps);
    if (keeps) {
      BOOST_TEST((output.text == written));
      continue;
    }
    response.set_status(503);
    response.body() += "{}";
    response.finish();
    BOOST_TEST(output.text == "Status: 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}");
    BOOST_TEST(response.bytes() == 2U);
  }
}

BOOST_AUTO_TEST_CASE(length_can_be_hidden) {
  for (const bool head : {false, true}) {
    Recording output;
    Response response{output, head};
    response.hide_length();
    if (!head) response.body() += "{}";
    response.finish();
    BOOST_TEST(output.text == (head ? "Status: 200 OK\r\n\r\n" : "Status: 200 OK\r\n\r\n{}"));
    BOOST_TEST(output.ended);
  }
  Recording output;
  Response response{output, false};
  response.hide_length();
  BOOST_TEST(response.reset());
  response.finish();
  BOOST_TEST(output.text == "Status: 200 OK\r\nContent-Length: 0\r\n\r\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
