#include "fcgi/filter_params.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "fcgi/date_time.h"
#include "fcgi/numbers.h"
#include "fcgi/text.h"

namespace webhook_calls {
namespace {

constexpr std::size_t kMaxValues = 100;

struct OperatorName {
  std::string_view suffix;
  Operator op;
};
constexpr std::array kRangeOperators{
    OperatorName{"__lt", Operator::lt},
    OperatorName{"__lte", Operator::lte},
    OperatorName{"__gt", Operator::gt},
    OperatorName{"__gte", Operator::gte},
};

struct FilterName {
  const CallFieldRow* field;
  Operator op;
};

std::optional<FilterName> parse_filter_name(std::string_view name) {
  if (const CallFieldRow* field = find_field(name)) return FilterName{field, Operator::any_of};
  for (const OperatorName& row : kRangeOperators) {
    if (!name.ends_with(row.suffix)) continue;
    const CallFieldRow* field = find_field(name.substr(0, name.size() - row.suffix.size()));
    if (field != nullptr && field->ranges) return FilterName{field, row.op};
  }
  return std::nullopt;
}

/// Adds a value to the filter, unless it is a number that no column can hold. Returns what is wrong with it, as the
/// rule that it breaks; empty where nothing is.
std::string_view add_value(Filter& filter, ValueType type, std::string_view text) {
  if (type == ValueType::text) {
    filter.values.emplace_back(std::string{text});
  } else if (type == ValueType::number) {
    if (!is_whole_number(text)) return "a whole number";
    if (const auto number = parse_number(text)) filter.values.emplace_back(*number);
  } else {
    const auto instant = parse_date_time(text);
    if (!instant) return "a date and time like 2026-11-01T10:00:00Z";
    filter.values.emplace_back(*instant);
  }
  return {};
}

}  // namespace

bool FilterDecoder::decode(std::string_view name, const Parameter& parameter, std::vector<Fault>& faults) {
  const auto filter_name = parse_filter_name(name);
  if (!filter_name) return false;
  const CallFieldRow& field = *filter_name->field;
  const bool is_range = filter_name->op != Operator::any_of;
  State& state = state_of(field.field, filter_name->op);
  if (!parameter.value && field.nullable && !is_range) {
    state.filter.or_null = true;
    return true;
  }
  const std::size_t limit = is_range ? 1 : kMaxValues;
  const std::string too_many =
      is_range ? " takes one value only." : " takes " + std::to_string(kMaxValues) + " values at most.";
  const std::string_view value = parameter.value ? *parameter.value : std::string_view{};
  for (const std::string_view text : field.type == ValueType::number ? split(value, ',') : std::vector{value}) {
    if (++state.given > limit) {  // said once, and no further value is looked at: a long list would make a huge answer
      if (state.given == limit + 1) faults.push_back({parameter.name + too_many, parameter.name});
      break;
    }
    if (const auto rule = add_value(state.filter, field.type, text); !rule.empty()) {
      faults.push_back(must_be(parameter.name, rule, text));
    }
  }
  return true;
}

std::vector<Filter> FilterDecoder::take() {
  std::vector<Filter> filters;
  for (State& state : states_) filters.push_back(std::move(state.filter));
  states_.clear();
  return filters;
}

FilterDecoder::State& FilterDecoder::state_of(CallField field, Operator op) {
  const auto found = std::ranges::find_if(
      states_, [&](const State& state) { return state.filter.field == field && state.filter.op == op; });
  if (found != states_.end()) return *found;
  return states_.emplace_back(State{Filter{.field = field, .op = op}});
}

}  // namespace webhook_calls
