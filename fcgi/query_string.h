#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fcgi/api_error.h"

namespace webhook_calls {

/// One part of a query string, decoded.
struct Parameter {
  std::string name{};
  std::optional<std::string> value{};  ///< empty: there was no `=`

  friend bool operator==(const Parameter&, const Parameter&) = default;
};

struct QueryString {
  std::vector<Parameter> parameters{};  ///< in the client's order, the faulty ones left out
  std::vector<Fault> faults{};
};

/// Splits at `&` and the first `=`, and only then percent-decodes; `+` is a space. Empty parts are ignored. A part is
/// faulty without a name, with a malformed escape, a NUL, or what is not UTF-8.
[[nodiscard]] QueryString parse_query_string(std::string_view text);

/// `base[member][index]`; what a name lacks is empty (not the same as `[]`, which has an empty text).
struct ParameterKey {
  std::string_view base;
  std::optional<std::string_view> member{};
  std::optional<std::string_view> index{};
};

/// Empty for a name with other brackets. What it gives shows parts of `name`.
[[nodiscard]] std::optional<ParameterKey> parse_key(std::string_view name);

/// The reverse of parsing: what is not unreserved (RFC 3986, 2.3) nor one of `,:/` is percent-encoded.
[[nodiscard]] std::string build_query_string(const std::vector<Parameter>& parameters);

}  // namespace webhook_calls
