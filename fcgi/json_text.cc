#include "fcgi/json_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "fcgi/utf8.h"

namespace webhook_calls {
namespace {

constexpr std::size_t kSliceBytes = 64U << 10U;
constexpr std::size_t kStride = 32;  ///< bytes that are looked at together
constexpr std::size_t kLongestCharacter = 4;
constexpr std::size_t kLongestEscape = 6;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// What an ASCII character becomes. All of `text` is written, and what lies behind its length overwritten: a length
/// that the compiler knows costs nothing.
struct Escape {
  std::array<char, 7> text{};
  std::uint8_t length = 0;
};

constexpr std::array<Escape, 0x80> kEscapes = [] {
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";
  std::array<Escape, 0x80> escapes{};
  for (std::size_t c = 0; c < escapes.size(); ++c) escapes.at(c) = {{static_cast<char>(c)}, 1};
  for (std::size_t c = 0; c < 0x20; ++c) {
    escapes.at(c) = {{'\\', 'u', '0', '0', kHexDigits[c / 16], kHexDigits[c % 16]}, kLongestEscape};
  }
  escapes['\b'] = {{'\\', 'b'}, 2};
  escapes['\f'] = {{'\\', 'f'}, 2};
  escapes['\n'] = {{'\\', 'n'}, 2};
  escapes['\r'] = {{'\\', 'r'}, 2};
  escapes['\t'] = {{'\\', 't'}, 2};
  escapes['"'] = {{'\\', '"'}, 2};
  escapes['\\'] = {{'\\', '\\'}, 2};
  return escapes;
}();

bool is_ascii(char byte) { return static_cast<unsigned char>(byte) < 0x80; }

char* write_ascii(char byte, char* to) {
  const Escape& escape = kEscapes[static_cast<unsigned char>(byte)];
  std::memcpy(to, &escape, sizeof escape);
  return to + escape.length;
}

/// Writes the first character of `text`, or what stands for an invalid part. Returns its length, and moves `to`.
std::size_t write_multi_byte(std::string_view text, char*& to) {
  const Utf8Unit unit = read_utf8(text);
  if (!unit.valid) {
    to = std::ranges::copy(kReplacement, to).out;
  } else if (text.size() >= kLongestCharacter) {
    std::memcpy(to, text.data(), kLongestCharacter);
    to += unit.length;
  } else {
    to = std::copy_n(text.data(), unit.length, to);
  }
  return unit.length;
}

enum class Content : std::uint8_t { plain, ascii, mixed };

/// Of kStride bytes.
Content content_of(const char* bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  std::uint64_t all = 0;
  std::uint64_t escapes = 0;  // in each byte the highest bit, where all bytes before it are plain
  for (std::size_t i = 0; i < kStride; i += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes + i, sizeof word);
    all |= word;
    escapes |= (word - kOnes * 0x20) | ((word ^ kOnes * '"') - kOnes) | ((word ^ kOnes * '\\') - kOnes);
  }
  if ((all & kOnes * 0x80) != 0) return Content::mixed;
  return (escapes & kOnes * 0x80) == 0 ? Content::plain : Content::ascii;
}

/// Writes the text up to the first character that begins at `end` or behind it. Returns where that is, and moves `to`.
///
/// In most texts every tenth byte or so has an escape, and no processor foretells which: so nothing is decided byte by
/// byte while all are ASCII.
std::size_t write_block(std::string_view text, std::size_t end, char*& to) {
  std::size_t at = 0;
  while (at < end) {
    const std::size_t stride = std::min(kStride, text.size() - at);
    const Content content = stride == kStride ? content_of(&text[at]) : Content::mixed;
    const std::size_t next = at + stride;
    if (content == Content::plain) {
      std::memcpy(to, &text[at], kStride);
      to += kStride;
      at = next;
    } else if (content == Content::ascii) {
      for (; at < next; ++at) to = write_ascii(text[at], to);
    } else {
      while (at < next) {
        if (is_ascii(text[at])) {
          to = write_ascii(text[at++], to);
        } else {
          at += write_multi_byte(text.substr(at), to);
        }
      }
    }
  }
  return at;
}

}  // namespace

std::size_t append_json_text(std::string& out, std::string_view text) {
  constexpr std::size_t kBlockBytes = 1024;
  std::array<char, (kBlockBytes + kStride + kLongestCharacter) * kLongestEscape> block;  // NOLINT: written before read
  const std::size_t end = std::min(text.size(), kSliceBytes);
  std::size_t at = 0;
  while (at < end) {
    char* to = block.data();
    at += write_block(text.substr(at), std::min(kBlockBytes, end - at), to);
    out.append(block.data(), to);
  }
  return at;
}

}  // namespace webhook_calls
