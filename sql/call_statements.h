#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "sql/call_query.h"
#include "sql/statement.h"

/// Every statement that a request can send. Each names its index, because the optimizer picks badly once one webhook
/// holds millions of rows, and each read asks for `created_at > cutoff`: a record whose 60 days are over is not there,
/// whether it was purged already or not.
namespace webhook_calls {

/// The SHA-256 of a bearer token, 64 hexadecimal digits.
struct TokenHash {
  std::string hex;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 takes the 0 in a made operator for a pointer
  friend auto operator<=>(const TokenHash&, const TokenHash&) = default;
};
/// An account that the web server has authenticated.
struct Account {
  std::uint64_t id;
  friend auto operator<=>(const Account&, const Account&) = default;  // NOLINT(modernize-use-nullptr)
};
/// Open access: whoever asks may read every webhook.
struct Anyone {
  friend auto operator<=>(const Anyone&, const Anyone&) = default;
};
using Reader = std::variant<TokenHash, Account, Anyone>;

/// Contents (headers and body) are read together with the rows of a page while they cannot exceed some kInlineBytes.
/// What is larger than its record's share follows in portions of kPortionBytes, and a larger text in pieces of that
/// size.
inline constexpr std::uint64_t kInlineBytes = 4U << 20U;
inline constexpr std::uint64_t kPortionBytes = 1U << 20U;

/// Of the chunks of webhook w: the first id of the first one that has not wholly expired, before which no record can be
/// seen, and the last id of the last one. NULL where there is no such chunk.
inline constexpr Sql kFirstLivingId{
    "(SELECT k.first_id FROM webhook_call_chunks k FORCE INDEX (PRIMARY) WHERE k.webhook_id=w.id"
    " AND k.max_at>UTC_TIMESTAMP(3)-INTERVAL 60 DAY ORDER BY k.first_id LIMIT 1)"};
inline constexpr Sql kLastSealedId{
    "(SELECT k.last_id FROM webhook_call_chunks k FORCE INDEX (PRIMARY) WHERE k.webhook_id=w.id"
    " ORDER BY k.first_id DESC LIMIT 1)"};

/// Columns: account id, webhook id, name, url, kFirstLivingId, kLastSealedId, and the microseconds until the token
/// expires (NULL: never). No row: the token is unknown or has expired, or (without a token) there is no such webhook. A
/// webhook id of NULL: no such webhook in the token's account.
[[nodiscard]] Statement select_access(const Reader& reader, std::uint64_t webhook_id);

/// Where a page lies among the records that its query selects.
struct PagePlace {
  CallScope scope{};
  std::uint64_t offset = 0;  ///< so many records of the scope come before the page
  bool narrowed = false;     ///< the scope's ids are hardly more than those of the records that the filters select
};

/// One page and, to tell whether another follows, one record more: the last one, or the first where the page ends
/// before a position. Columns: id, then those of `query.fields`: http_code, created_at (as text), and for headers and
/// body the size of both in bytes and then either. One that exceeds inline_bytes() comes as NULL, to be read by
/// select_contents().
[[nodiscard]] Statement select_page(const CallQuery& query, const PagePlace& place);

/// One record of the query's webhook, in the columns of select_page().
[[nodiscard]] Statement select_call(const CallQuery& query, std::uint64_t call_id);

/// Of the query's webhook. Columns: id, then headers and body as `fields` has them: of either what follows its first
/// `offset` bytes, kPortionBytes at most. `call_ids` must not be empty.
[[nodiscard]] Statement select_contents(const CallQuery& query, FieldSet fields, std::span<const BindValue> call_ids,
                                        std::uint64_t offset = 0);

/// How many records the filters of `query` select, on all pages, by reading their entries in an index. Columns: the
/// number; kCutoffNow.
[[nodiscard]] Statement count_calls(const CallQuery& query, const CallScope& scope);

/// Column: kCutoffNow.
[[nodiscard]] Statement select_cutoff();

/// How many records of each group that the query counts by its filters select, kMaxCounts and one more groups at most.
/// Columns: those of add_group(), the number.
[[nodiscard]] Statement count_groups(const CallQuery& query, const CallScope& scope);

/// Column: the second, in seconds after the year 0, of the webhook's first record that was created at `from` or later.
[[nodiscard]] Statement select_next_second(std::uint64_t webhook_id, const std::string& from);

/// The size of contents above which a record of a page of `page_size` is read on its own. No more than half a portion,
/// because the driver holds some five copies of the row at hand beside all rows.
[[nodiscard]] constexpr std::uint64_t inline_bytes(std::uint64_t page_size) {
  return std::min(kInlineBytes / page_size, kPortionBytes / 2);
}

}  // namespace webhook_calls
