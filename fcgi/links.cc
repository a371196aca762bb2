#include "fcgi/links.h"

#include <algorithm>

namespace webhook_calls {

std::string make_self_link(const Route& route, const std::vector<Parameter>& parameters) {
  const std::string query = build_query_string(parameters);
  return query.empty() ? route.path() : route.path() + "?" + query;
}

std::string make_cursor_link(const Route& route, std::vector<Parameter> parameters, std::string_view name,
                             const std::string& cursor) {
  for (Parameter& parameter : parameters) {
    if (parameter.name == "page[after]" || parameter.name == "page[before]") parameter = {std::string{name}, cursor};
  }
  return make_self_link(route, parameters);
}

PageLinks make_page_links(const Route& route, const std::vector<Parameter>& parameters, const CallQuery& query,
                          bool more, std::optional<std::uint64_t> count) {
  std::vector<Parameter> changed = parameters;
  auto page_number = std::ranges::find(changed, "page[number]", &Parameter::name);
  if (page_number == changed.end()) page_number = changed.insert(changed.end(), Parameter{"page[number]"});
  const auto link_to = [&](std::uint64_t page) {
    page_number->value = std::to_string(page);
    return make_self_link(route, changed);
  };
  PageLinks links;
  links.first = link_to(1);
  if (query.page_number > 1) links.prev = link_to(query.page_number - 1);
  if (more) links.next = link_to(query.page_number + 1);
  if (count) links.last = link_to(*count == 0 ? 1 : (*count - 1) / query.page_size + 1);
  return links;
}

}  // namespace webhook_calls
