#pragma once

#include <cstddef>
#include <string_view>

namespace webhook_calls {

/// The beginning of a text that is meant to be UTF-8.
struct Utf8Unit {
  std::size_t length;  ///< of one well-formed character, or of the maximal invalid part (at least 1)
  bool valid;
};

/// Reads the first character of `text`, which must not be empty. An invalid part ends where the WHATWG Encoding
/// standard's UTF-8 decoder would emit one U+FFFD for it (Unicode 15, 3.9, "maximal subpart").
[[nodiscard]] Utf8Unit read_utf8(std::string_view text);

/// How many bytes at the end of `text` what follows it may belong to: the beginning of a character.
[[nodiscard]] std::size_t open_end(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace webhook_calls
