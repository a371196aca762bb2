#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "sql/statement.h"

namespace webhook_calls {

/// A regular expression, for MariaDB's PCRE and MySQL's ICU, that finds the fields of these names in recorded
/// headers, in any case: its first group is all up to the colon, and behind it are the field's value and the lines that
/// continue it (RFC 9112 section 5.2). Empty where there are no names. A name is a token (RFC 9110 section 5.6.2).
[[nodiscard]] std::string redaction_pattern(std::span<const std::string> header_names);

/// Recorded headers of more bytes are not searched but redacted as a whole: MySQL refuses to search some texts of 1 MiB
/// (errors 3698, 3699), and the time would grow without a bound. Web servers send a few hundred bytes, and refuse more
/// than 8 to 64 KiB themselves.
inline constexpr std::size_t kMaxRedactedBytes = 64U << 10U;

/// The recorded headers with `[redacted]` for the values that the pattern finds.
[[nodiscard]] Statement redacted_headers(const std::string& pattern);

}  // namespace webhook_calls
