#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "fcgi/query_string.h"
#include "sql/call_query.h"

namespace webhook_calls {

/// Decodes the `filter[NAME]` parameters of a request, one after the other: those of one name add to one filter.
class FilterDecoder {
 public:
  /// False where no filter has that name. Adds the parameter's faults, if any, to `faults`.
  bool decode(std::string_view name, const Parameter& parameter, std::vector<Fault>& faults);

  [[nodiscard]] std::vector<Filter> take();

 private:
  struct State {
    std::string name;
    Filter filter;
    std::size_t given = 0;  ///< values, those that nothing can match too
  };

  std::vector<State> states_{};
};

}  // namespace webhook_calls
