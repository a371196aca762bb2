#pragma once

#include <optional>
#include <string_view>

#include "sql/instant.h"

namespace webhook_calls {

/// `YYYY-MM-DD`, or `YYYY-MM-DD[T or space]HH:MM[:SS[.1 to 9 digits]]` with an optional `Z`, `±HH:MM` or `±HHMM`; UTC
/// without a zone. A space in place of the offset's sign is a `+` that was not escaped. Years 0001 to 9999, offsets up
/// to 23:59, seconds to 59. Empty for anything else.
[[nodiscard]] std::optional<Instant> parse_date_time(std::string_view text);

}  // namespace webhook_calls
