#include "sql/access_cache.h"

#include <boost/test/unit_test.hpp>

namespace webhook_calls {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr AccessCache::Clock::time_point kStart{seconds{1000}};
constexpr microseconds kForEver = microseconds::max();

Access access_to(std::uint64_t webhook_id) {
  return {.account_id = 42, .webhook = Webhook{webhook_id, "Orders", "https://example.com/hook"}, .first_id = 9};
}

std::uint64_t found(const AccessCache& cache, const Reader& reader, std::uint64_t webhook_id,
                    AccessCache::Clock::time_point now = kStart) {
  const Access* access = cache.find(reader, webhook_id, now);
  return access == nullptr ? 0 : access->webhook->id;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(access_cache_test)

BOOST_AUTO_TEST_CASE(each_reader_and_webhook_on_its_own) {
  const Reader readers[] = {TokenHash{"ab12"}, TokenHash{"ab13"}, Account{42}, Account{43}, Anyone{}};
  AccessCache cache;
  for (std::uint64_t i = 0; i < std::size(readers); ++i) {
    cache.insert(readers[i], i + 1, access_to(i + 1), kStart, kForEver);
  }
  for (std::uint64_t i = 0; i < std::size(readers); ++i) {
    for (std::uint64_t id = 0; id <= std::size(readers) + 1; ++id) {
      BOOST_TEST_CONTEXT("reader " << i << ", webhook " << id)
      BOOST_TEST(found(cache, readers[i], id) == (id == i + 1 ? id : 0));
    }
  }
  BOOST_TEST(cache.find(Account{42}, 3, kStart)->first_id == 9);
  cache.clear();
  BOOST_TEST(found(cache, Account{42}, 3) == 0);
}

BOOST_AUTO_TEST_CASE(for_a_few_seconds_or_as_long_as_the_token_is_valid) {
  static_assert(AccessCache::kLifetime < seconds{5}, "the contract's time for a revocation");
  const struct {
    microseconds valid;
    AccessCache::Clock::duration last, end;
  } rows[] = {
      {kForEver, AccessCache::kLifetime - milliseconds{1}, AccessCache::kLifetime},
      {seconds{3600}, AccessCache::kLifetime - milliseconds{1}, AccessCache::kLifetime},
      {milliseconds{1500}, milliseconds{1499}, milliseconds{1500}},
      {microseconds{1}, seconds{0}, microseconds{1}},
  };
  for (const auto& row : rows) {
    AccessCache cache;
    cache.insert(TokenHash{"ab12"}, 7, access_to(7), kStart, row.valid);
    BOOST_TEST(found(cache, TokenHash{"ab12"}, 7, kStart + row.last) == 7);
    BOOST_TEST(found(cache, TokenHash{"ab12"}, 7, kStart + row.end) == 0);
  }
}

BOOST_AUTO_TEST_CASE(asked_again) {
  AccessCache cache;
  cache.insert(Account{42}, 7, access_to(7), kStart, seconds{1});
  cache.insert(Account{42}, 7, access_to(8), kStart + seconds{2}, kForEver);
  BOOST_TEST(found(cache, Account{42}, 7, kStart + seconds{3}) == 8);
}

BOOST_AUTO_TEST_CASE(bounded) {
  AccessCache cache;
  for (std::uint64_t i = 0; i < AccessCache::kMaxEntries; ++i) {
    cache.insert(Account{i}, 7, access_to(7), kStart, i % 2 == 0 ? microseconds{1} : kForEver);
  }
  const auto later = kStart + seconds{1};
  cache.insert(Anyone{}, 7, access_to(7), later, kForEver);
  BOOST_TEST(found(cache, Account{1}, 7, later) == 7);  // what had ended made room
  BOOST_TEST(found(cache, Anyone{}, 7, later) == 7);
  for (std::uint64_t i = 0; i < 10 * AccessCache::kMaxEntries; ++i) {
    cache.insert(Account{i}, 8, access_to(8), later, kForEver);
    BOOST_TEST(found(cache, Account{i}, 8, later) == 8);
  }
  std::size_t kept = 0;
  for (std::uint64_t i = 0; i < 10 * AccessCache::kMaxEntries; ++i)
    kept += found(cache, Account{i}, 8, later) != 0 ? 1 : 0;
  BOOST_TEST(kept <= AccessCache::kMaxEntries);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
