#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/call_query.h"

/// Cursors: what `page[after]` and `page[before]` say of the record next to the page. One is the record's own values of
/// the sort's fields, so that it holds when the record has expired, and a digest, which tells a damaged cursor and one
/// of another sort: no secret, and nothing to be kept. Base64url (RFC 4648, 5), 23 to 50 characters, but where the sort
/// names headers or body: of these it has the first kComparedBytes.
namespace webhook_calls {

/// Of a record's sort_values_of().
[[nodiscard]] std::string make_cursor(const SortValues& values, const std::vector<SortKey>& sort);

/// Empty where the cursor was not made for this sort.
[[nodiscard]] std::optional<SortValues> parse_cursor(std::string_view cursor, const std::vector<SortKey>& sort);

}  // namespace webhook_calls
