#include "fcgi/sha256.h"

#include <boost/test/unit_test.hpp>
#include <string>
#include <string_view>

namespace webhook_calls {

BOOST_AUTO_TEST_SUITE(sha256_test)

BOOST_AUTO_TEST_CASE(known_digests) {
  const struct {
    std::string bytes;
    std::string_view hex;
  } rows[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& row : rows) BOOST_TEST(sha256_hex(row.bytes) == row.hex);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
