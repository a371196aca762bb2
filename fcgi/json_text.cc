#include "fcgi/json_text.h"

#include <algorithm>
#include <array>

#include "fcgi/utf8.h"

namespace webhook_calls {
namespace {

constexpr std::size_t kSliceBytes = 64U << 10U;

/// What stands for a byte: itself ('\0'), \u00XX ('u'), the letter of a short escape, or a character of several bytes.
constexpr char kPlain = '\0';
constexpr char kCodePoint = 'u';
constexpr char kMultiByte = 'm';

constexpr std::array<char, 256> kActions = [] {
  std::array<char, 256> actions{};
  for (std::size_t byte = 0; byte < 0x20; ++byte) actions.at(byte) = kCodePoint;
  for (std::size_t byte = 0x80; byte < actions.size(); ++byte) actions.at(byte) = kMultiByte;
  actions['\b'] = 'b';
  actions['\f'] = 'f';
  actions['\n'] = 'n';
  actions['\r'] = 'r';
  actions['\t'] = 't';
  actions['"'] = '"';
  actions['\\'] = '\\';
  return actions;
}();

void append_escape(std::string& out, unsigned char byte, char action) {
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";
  out += '\\';
  out += action;
  if (action != kCodePoint) return;
  out += "00";
  out += kHexDigits[byte / 16U];
  out += kHexDigits[byte % 16U];
}

}  // namespace

std::size_t append_json_text(std::string& out, std::string_view text) {
  const std::size_t end = std::min(text.size(), kSliceBytes);
  std::size_t run = 0;  // where the bytes begin that are still to be copied as they are
  std::size_t at = 0;
  while (at < end) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const char action = kActions[byte];
    if (action == kPlain) {
      ++at;
      continue;
    }
    const Utf8Unit unit = action == kMultiByte ? read_utf8(text.substr(at)) : Utf8Unit{1, false};
    if (!unit.valid) {
      out.append(text, run, at - run);
      if (action == kMultiByte) {
        out += "\xEF\xBF\xBD";
      } else {
        append_escape(out, byte, action);
      }
      run = at + unit.length;
    }
    at += unit.length;
  }
  out.append(text, run, at - run);
  return at;
}

}  // namespace webhook_calls
