#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fcgi/jsonapi.h"
#include "fcgi/response.h"

/// CSV as RFC 4180 has it, in UTF-8.
namespace webhook_calls {

/// Whether a cell that begins so could be a formula to a spreadsheet, or begins with the mark that tells it is none: an
/// apostrophe then stands before it. Whoever takes an apostrophe from the front of each quoted cell has what was
/// recorded.
[[nodiscard]] bool needs_mark(std::string_view text);

/// Appends `text` as the inside of a quoted cell: quotes doubled, each maximal invalid part of UTF-8 and each NUL,
/// which readers of CSV stop at, replaced by U+FFFD. To keep `out` small it stops after a slice of some 64 KiB, never
/// inside a character; returns how many bytes of `text` it has taken.
std::size_t append_csv_text(std::string& out, std::string_view text);

/// Writes a header line and the records, a line each, until there are no more, or the response wants no more: the id,
/// the id of the webhook where the request wants relationships, and the attributes that it asks for. Headers and bodies
/// are quoted, so that an empty one differs from null, which is an empty cell. Returns how many records it wrote.
std::uint64_t write_call_table(Response& response, const CallRequest& request, CallRows& rows);

}  // namespace webhook_calls
