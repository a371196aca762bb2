#pragma once

#include <string_view>

namespace webhook_calls {

/// The token of an Authorization header field of the scheme Bearer (RFC 6750, 2.1). The scheme's name is
/// case-insensitive. Throws ApiError (401) where there is none.
[[nodiscard]] std::string_view parse_bearer(std::string_view authorization);

}  // namespace webhook_calls
