#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fcgi/query_string.h"
#include "fcgi/route.h"
#include "sql/call_order.h"
#include "sql/call_query.h"
#include "sql/call_row.h"

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

/// `more`: a record follows the page. `count`: how many there are on all pages, where it is known.
[[nodiscard]] PageLinks make_page_links(const Route& route, const std::vector<Parameter>& parameters,
                                        const CallQuery& query, bool more, std::optional<std::uint64_t> count);

/// The records at both ends of a page that has a position: the links to its neighbours are their cursors.
class PageEnds {
 public:
  /// `query` must outlive it.
  explicit PageEnds(const CallQuery& query) : query_(query) {}

  /// The page's records, one after the other, read with all fields of the query's sort.
  void add(const CallRow& row) {
    if (!query_.position) return;
    last_ = sort_values_of(row, query_.sort);
    if (first_.empty()) first_ = last_;
  }

  /// `more`: CallRows::more(). The query has a position.
  [[nodiscard]] PageLinks links(const Route& route, const std::vector<Parameter>& parameters, bool more) const;

 private:
  const CallQuery& query_;
  SortValues first_{}, last_{};
};

}  // namespace webhook_calls
