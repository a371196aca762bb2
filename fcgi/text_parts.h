#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fcgi/utf8.h"

namespace webhook_calls {

/// Calls `write` with one part after the other of a text that begins with `piece`, none of which ends inside a
/// character of UTF-8 that is whole in the text. `pull(n)` gives as a string what follows the text's first n bytes, or
/// the beginning of that; an empty one where nothing does.
template <typename Pull, typename Write>
void for_each_part(std::string_view piece, Pull pull, Write write) {
  std::string held;  // what `piece` shows, from the second one on
  std::uint64_t offset = piece.size();
  while (!piece.empty()) {
    const std::size_t whole = piece.size() - open_end(piece);
    write(piece.substr(0, whole));
    piece.remove_prefix(whole);
    std::string next = pull(offset);
    if (next.empty()) break;
    offset += next.size();
    next.insert(0, piece);
    held = std::move(next);
    piece = held;
  }
  write(piece);
}

}  // namespace webhook_calls
