#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace webhook_calls {

/// Appends `text` as the inside of a JSON string (RFC 8259, 7): quotes, backslashes and control characters escaped as
/// RapidJSON does, each maximal invalid part of UTF-8 replaced by U+FFFD. To keep `out` small it stops after a slice of
/// some 64 KiB, never inside a character; returns how many bytes of `text` it has taken.
std::size_t append_json_text(std::string& out, std::string_view text);

}  // namespace webhook_calls
