#include "sql/redaction.h"

#include <cstdint>
#include <string_view>

namespace webhook_calls {

std::string redaction_pattern(std::span<const std::string> header_names) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  if (header_names.empty()) return {};
  std::string names;
  for (const std::string& name : header_names) {
    if (!names.empty()) names += '|';
    for (const char c : name) {
      if (kPlain.find(c) == std::string_view::npos) names += '\\';
      names += c;
    }
  }
  return R"((?i)((?:^|[\r\n])[ \t]*(?:)" + names + R"()[ \t]*:)[^\r\n]*+(?:[\r\n]++[ \t][^\r\n]*+)*+)";
}

// The comments hold what only one of the servers reads. They write a group differently, and MySQL has no regular
// expressions for bytes: there, latin1 has a character for each. (MariaDB takes up to fifty times as long for those.)
Statement redacted_headers(const std::string& pattern) {
  Statement headers{"IF(LENGTH(c.headers)>"};
  headers.bind(std::uint64_t{kMaxRedactedBytes});
  headers.add(",'[redacted]',CAST(REGEXP_REPLACE(/*M! c.headers */ /*!80000 CONVERT(c.headers USING latin1) */,");
  headers.bind(pattern);
  return headers.add(R"(,/*M! '\\1 [redacted]' */ /*!80000 '$1 [redacted]' */) AS BINARY)))");
}

}  // namespace webhook_calls
