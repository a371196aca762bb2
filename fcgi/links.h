#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fcgi/query_string.h"
#include "fcgi/route.h"
#include "sql/call_query.h"

namespace webhook_calls {

/// The links of a list (JSON:API, "Pagination"); an empty one does not apply. All are path-absolute and carry every
/// parameter of the request.
struct PageLinks {
  std::string first{};
  std::string prev{};
  std::string next{};
  std::string last{};
};

/// The request's own address, its parameters encoded in one way.
[[nodiscard]] std::string make_self_link(const Route& route, const std::vector<Parameter>& parameters);

/// The same with `page[after]` or `page[before]`, which is `name`, as its only place in the list.
[[nodiscard]] std::string make_cursor_link(const Route& route, std::vector<Parameter> parameters, std::string_view name,
                                           const std::string& cursor);

/// `more`: a record follows the page. `count`: how many there are on all pages, where it is known.
[[nodiscard]] PageLinks make_page_links(const Route& route, const std::vector<Parameter>& parameters,
                                        const CallQuery& query, bool more, std::optional<std::uint64_t> count);

}  // namespace webhook_calls
