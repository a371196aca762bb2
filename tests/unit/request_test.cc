#include "fcgi/request.h"

#include <boost/test/unit_test.hpp>
#include <map>

namespace webhook_calls {
namespace {

Request read(const std::map<std::string, std::string, std::less<>>& parameters) {
  return read_request([&](std::string_view name) {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string{} : found->second;
  });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(request_test)

BOOST_AUTO_TEST_CASE(everything_from_its_parameter) {
  const Request request = read({
      {"REQUEST_ID", "7f3a"},
      {"REQUEST_METHOD", "GET"},
      {"DOCUMENT_URI", "/a b"},
      {"REQUEST_URI", "/other?q"},
      {"QUERY_STRING", "a=%20"},
      {"HTTP_ACCEPT", "text/html, */*"},
      {"HTTP_AUTHORIZATION", "Bearer abc"},
      {"CONTENT_TYPE", "text/plain"},
      {"HTTP_IF_NONE_MATCH", "\"x\""},
      {"ACCOUNT_ID", "42"},
      {"HTTP_ACCOUNT_ID", "43"},
      {"EXPORTS", "on"},
      {"HTTP_REQUEST_ID", "client"},
      {"HTTP_CONTENT_TYPE", "client/type"},
  });
  BOOST_TEST(request.id == "7f3a");
  BOOST_TEST(request.method == "GET");
  BOOST_TEST(request.path == "/a b");
  BOOST_TEST(request.query_string == "a=%20");
  BOOST_TEST(request.accept == "text/html, */*");
  BOOST_TEST(request.authorization == "Bearer abc");
  BOOST_TEST(request.content_type == "text/plain");
  BOOST_TEST(request.if_none_match == "\"x\"");
  BOOST_TEST(request.account_id == "42");
  BOOST_TEST(request.exports);
}

BOOST_AUTO_TEST_CASE(no_client_header_names_the_account) {
  BOOST_TEST(read({{"HTTP_ACCOUNT_ID", "42"}}).account_id.empty());
  BOOST_TEST(!read({{"HTTP_EXPORTS", "on"}}).exports);
  BOOST_TEST(!read({{"EXPORTS", ""}}).exports);
}

BOOST_AUTO_TEST_CASE(path_without_document_uri) {
  const struct {
    std::string_view uri, path;
  } rows[] = {
      {"/a/b", "/a/b"}, {"/a/b?c=/d?e", "/a/b"}, {"/a?", "/a"}, {"", ""}, {"?a", ""}, {"/a%2Db", "/a%2Db"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.uri) { BOOST_TEST(read({{"REQUEST_URI", std::string{row.uri}}}).path == row.path); }
  }
}

/// What a client did not ask for is not answered: the program's own path shall be no way around a rule for the API's.
BOOST_AUTO_TEST_CASE(path_as_web_servers_tell_it) {
  const struct {
    std::string_view server;
    std::map<std::string, std::string, std::less<>> parameters;
    std::string_view path;
  } rows[] = {
      {"nginx, this project's include", {{"DOCUMENT_URI", "/api"}}, "/api"},
      {"nginx, its fastcgi_params",
       {{"DOCUMENT_URI", "/api"}, {"SCRIPT_NAME", "/api"}, {"REQUEST_URI", "//%61pi?a"}},
       "/api"},
      {"nginx, after a rewrite to a program",
       {{"DOCUMENT_URI", "/c.cgi"}, {"SCRIPT_NAME", "/c.cgi"}, {"REQUEST_URI", "/api"}},
       "/c.cgi"},
      {"Apache, after a rewrite",
       {{"SCRIPT_NAME", "/c.cgi"}, {"REQUEST_URI", "/api?a"}, {"REDIRECT_URL", "/other"}},
       "/api"},
      {"Apache, after a rewrite with the path behind it",
       {{"SCRIPT_NAME", "/c.cgi"}, {"PATH_INFO", "/api"}, {"REQUEST_URI", "/api"}},
       "/api"},
      {"the program by its own name",
       {{"SCRIPT_NAME", "/c.cgi"}, {"PATH_INFO", "/api"}, {"REQUEST_URI", "/c.cgi/api"}},
       "/c.cgi/api"},
      {"neither", {{"SCRIPT_NAME", "/c.cgi"}, {"PATH_INFO", "/api"}}, ""},
      {"headers of a client",
       {{"HTTP_DOCUMENT_URI", "/api"}, {"HTTP_REQUEST_URI", "/api"}, {"REQUEST_URI", "/x"}},
       "/x"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.server) { BOOST_TEST(read(row.parameters).path == row.path); }
  }
}

BOOST_AUTO_TEST_CASE(request_ids) {
  for (const std::string& id : {std::string{"a"}, std::string{"A-z_09"}, std::string(32, 'f'), std::string(64, 'f')}) {
    BOOST_TEST(read({{"REQUEST_ID", id}}).id == id);
  }
  for (const std::string& id : {std::string{}, std::string(65, 'f'), std::string{"a b"}, std::string{"a\r\nX: y"},
                                std::string{"a\"b"}, std::string{"\xC3\xBC"}, std::string{"a\0b", 3}}) {
    const std::string own = read({{"REQUEST_ID", id}}).id;
    BOOST_TEST(own.size() == 32U);
    BOOST_TEST(own.find_first_not_of("0123456789abcdef") == std::string::npos);
    BOOST_TEST(own != read({{"REQUEST_ID", id}}).id);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
