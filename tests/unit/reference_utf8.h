#pragma once

#include <string>
#include <string_view>

namespace webhook_calls {

/// The UTF-8 decoder of the WHATWG Encoding standard, step by step as its section 8.1.1 has it, and slow: what it makes
/// of any bytes, encoded again.
inline std::string reference_utf8(std::string_view bytes) {
  std::string out;
  unsigned needed = 0, seen = 0, lower = 0x80, upper = 0xBF;
  std::string character;
  std::size_t i = 0;
  while (i < bytes.size()) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (needed == 0) {
      ++i;
      character = bytes[i - 1];
      if (byte <= 0x7F) {
        out += character;
      } else if (byte >= 0xC2 && byte <= 0xDF) {
        needed = 1;
      } else if (byte >= 0xE0 && byte <= 0xEF) {
        if (byte == 0xE0) lower = 0xA0;
        if (byte == 0xED) upper = 0x9F;
        needed = 2;
      } else if (byte >= 0xF0 && byte <= 0xF4) {
        if (byte == 0xF0) lower = 0x90;
        if (byte == 0xF4) upper = 0x8F;
        needed = 3;
      } else {
        out += "\xEF\xBF\xBD";
      }
      continue;
    }
    const bool fits = byte >= lower && byte <= upper;
    lower = 0x80;
    upper = 0xBF;
    if (!fits) {  // the byte is read again, as the first of what follows
      needed = seen = 0;
      out += "\xEF\xBF\xBD";
      continue;
    }
    character += bytes[i];
    ++i;
    if (++seen == needed) {
      needed = seen = 0;
      out += character;
    }
  }
  if (needed != 0) out += "\xEF\xBF\xBD";
  return out;
}

}  // namespace webhook_calls
