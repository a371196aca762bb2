#pragma once

#include <optional>
#include <string_view>

#include "sql/call_query.h"

namespace webhook_calls {

/// What parse_count_by() takes, in words.
inline constexpr std::string_view kCountByRule =
    "created_at.minute, created_at.hour or created_at.day, or http_code or http_code.class, or one of each";

/// The value of count_by. Empty for anything else than kCountByRule says.
[[nodiscard]] std::optional<CountBy> parse_count_by(std::string_view text);

}  // namespace webhook_calls
