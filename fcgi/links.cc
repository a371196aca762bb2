#include "fcgi/links.h"

#include <algorithm>

#include "fcgi/cursor.h"

namespace webhook_calls {

std::string make_self_link(const Route& route, const std::vector<Parameter>& parameters) {
  const std::string query = build_query_string(parameters);
  return query.empty() ? route.path() : route.path() + "?" + query;
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

PageLinks PageEnds::links(const Route& route, const std::vector<Parameter>& parameters, bool more) const {
  const auto link_to = [&](std::string_view name, const SortValues& values) {
    std::vector<Parameter> changed = parameters;
    for (Parameter& parameter : changed) {
      if (parameter.name != "page[after]" && parameter.name != "page[before]") continue;
      parameter.name = name;
      // Beside nothing is the list's end; where all of the page was purged while it was read, it is still this place.
      if (!values.empty()) {
        parameter.value = make_cursor(values, query_.sort);
      } else if (!more) {
        parameter.value = "";
      }
    }
    return make_self_link(route, changed);
  };
  const bool beside_a_record = !query_.position->values.empty();
  PageLinks links;
  if (query_.position->before ? more : beside_a_record) links.prev = link_to("page[before]", first_);
  if (query_.position->before ? beside_a_record : more) links.next = link_to("page[after]", last_);
  return links;
}

}  // namespace webhook_calls
