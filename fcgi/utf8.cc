#include "fcgi/utf8.h"

#include <algorithm>
#include <array>

namespace webhook_calls {
namespace {

struct Lead {
  unsigned char length;        ///< of the whole character; 0 where no character begins so
  unsigned char second_first;  ///< the range of the second byte: it keeps out overlong forms, surrogates and > U+10FFFF
  unsigned char second_last;
};

constexpr unsigned char kContinuationFirst = 0x80;
constexpr unsigned char kContinuationLast = 0xBF;

constexpr Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte >= 0xC2 && byte <= 0xDF) return {2, kContinuationFirst, kContinuationLast};
  if (byte == 0xE0) return {3, 0xA0, kContinuationLast};
  if (byte == 0xED) return {3, kContinuationFirst, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, kContinuationFirst, kContinuationLast};
  if (byte == 0xF0) return {4, 0x90, kContinuationLast};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, kContinuationFirst, kContinuationLast};
  if (byte == 0xF4) return {4, kContinuationFirst, 0x8F};
  return {0, 0, 0};
}

constexpr std::array<Lead, 256> kLeads = [] {
  std::array<Lead, 256> leads{};
  for (unsigned byte = 0; byte < leads.size(); ++byte) leads.at(byte) = lead_of(static_cast<unsigned char>(byte));
  return leads;
}();

}  // namespace

Utf8Unit read_utf8(std::string_view text) {
  const Lead& lead = kLeads[static_cast<unsigned char>(text.front())];
  if (lead.length == 0) return {1, false};
  unsigned char first = lead.second_first;
  unsigned char last = lead.second_last;
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {i, false};
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < first || byte > last) return {i, false};
    first = kContinuationFirst;
    last = kContinuationLast;
  }
  return {lead.length, true};
}

std::size_t open_end(std::string_view text) {
  constexpr std::size_t kLongestBeginning = 3;
  for (std::size_t length = 1; length <= std::min(kLongestBeginning, text.size()); ++length) {
    const std::string_view end = text.substr(text.size() - length);
    const auto byte = static_cast<unsigned char>(end.front());
    if (byte >= kContinuationFirst && byte <= kContinuationLast) continue;
    const Utf8Unit unit = read_utf8(end);
    return !unit.valid && unit.length == length ? length : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Unit unit = read_utf8(text);
    if (!unit.valid) return false;
    text.remove_prefix(unit.length);
  }
  return true;
}

}  // namespace webhook_calls
