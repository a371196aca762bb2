#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace webhook_calls {

/// One of the two endpoints.
struct Route {
  std::uint64_t webhook_id = 0;
  std::optional<std::uint64_t> call_id{};  ///< empty: the list

  /// The path that clients use, absolute.
  [[nodiscard]] std::string path() const;
};

/// Throws ApiError (404) for any other path. An id is a decimal number of 64 bits without leading zeros, so that each
/// resource has one address.
[[nodiscard]] Route parse_route(std::string_view path);

}  // namespace webhook_calls
