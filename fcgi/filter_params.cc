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

/// The one row that defines what may follow a field's name.
struct OperatorRow {
  std::string_view suffix;
  Operator op;
  bool list;  ///< takes several values, and null
  bool (*has)(const CallFieldRow&);
};

constexpr bool every(const CallFieldRow&) { return true; }
constexpr bool not_instant(const CallFieldRow& field) { return field.type != ValueType::instant; }
constexpr bool nullable(const CallFieldRow& field) { return field.nullable; }
constexpr bool text(const CallFieldRow& field) { return field.type == ValueType::text; }
constexpr bool ranges(const CallFieldRow& field) { return field.ranges; }

constexpr std::string_view kExists = "__exists";  // any_of or none_of null, as its value says
constexpr std::array kOperators{
    OperatorRow{"", Operator::any_of, true, every},
    OperatorRow{"__eq", Operator::any_of, true, every},
    OperatorRow{"__in", Operator::any_of, true, every},
    OperatorRow{"__neq", Operator::none_of, true, not_instant},
    OperatorRow{kExists, Operator::any_of, false, nullable},
    OperatorRow{"__match", Operator::contains, false, text},
    OperatorRow{"__prefix", Operator::starts_with, false, text},
    OperatorRow{"__suffix", Operator::ends_with, false, text},
    OperatorRow{"__lt", Operator::lt, false, ranges},
    OperatorRow{"__lte", Operator::lte, false, ranges},
    OperatorRow{"__gt", Operator::gt, false, ranges},
    OperatorRow{"__gte", Operator::gte, false, ranges},
};

struct FilterName {
  const CallFieldRow* field;
  const OperatorRow* op;
};

std::optional<FilterName> parse_filter_name(std::string_view name) {
  for (const OperatorRow& row : kOperators) {
    if (!name.ends_with(row.suffix)) continue;
    const CallFieldRow* field = find_field(name.substr(0, name.size() - row.suffix.size()));
    if (field != nullptr && row.has(*field)) return FilterName{field, &row};
  }
  return std::nullopt;
}

/// `4xx`.
std::optional<CodeClass> parse_code_class(std::string_view text) {
  if (text.size() != 3 || text[0] < '1' || text[0] > '9' || text.substr(1) != "xx") return std::nullopt;
  return CodeClass{static_cast<std::uint64_t>(text[0] - '0')};
}

/// Adds a value to the filter, unless it is a number that no column can hold. Returns what is wrong with it, as the
/// rule that it breaks; empty where nothing is.
std::string_view add_value(Filter& filter, const FilterName& name, std::string_view text) {
  if (name.op->suffix == kExists) {
    const auto exists = parse_bool(text);
    if (!exists) return "true or false";
    filter.op = *exists ? Operator::none_of : Operator::any_of;
    filter.or_null = true;
  } else if (name.field->type == ValueType::text) {
    filter.values.emplace_back(std::string{text});
  } else if (name.field->type == ValueType::instant) {
    const auto instant = parse_date_time(text);
    if (!instant) return "a date and time like 2026-11-01T10:00:00Z";
    filter.values.emplace_back(*instant);
  } else {
    const bool with_class = name.field->field == CallField::http_code && name.op->list;
    if (const auto code_class = with_class ? parse_code_class(text) : std::nullopt) {
      // Once each: a statement has a condition for every one.
      if (std::ranges::find(filter.values, FilterValue{*code_class}) == filter.values.end()) {
        filter.values.emplace_back(*code_class);
      }
      return {};
    }
    if (!is_whole_number(text)) return with_class ? "a whole number or a class like 5xx" : "a whole number";
    if (const auto number = parse_number(text)) filter.values.emplace_back(*number);
  }
  return {};
}

}  // namespace

bool FilterDecoder::decode(std::string_view name, const Parameter& parameter, std::vector<Fault>& faults) {
  const auto filter_name = parse_filter_name(name);
  if (!filter_name) return false;
  const auto& [field, op] = *filter_name;
  auto state = std::ranges::find(states_, name, &State::name);
  if (state == states_.end()) {
    state = states_.insert(state, State{std::string{name}, Filter{.field = field->field, .op = op->op}});
  }
  if (!parameter.value && op->list && field->nullable) {
    state->filter.or_null = true;
    return true;
  }
  if (!parameter.value && field->type == ValueType::text && op->suffix != kExists) {  // not meant as the empty text
    faults.push_back(must_be(parameter.name, "a text", {}));
    return true;
  }
  const std::size_t limit = op->list ? kMaxValues : 1;
  const std::string too_many =
      op->list ? " takes " + std::to_string(kMaxValues) + " values at most." : " takes one value only.";
  const std::string_view value = parameter.value ? *parameter.value : std::string_view{};
  const bool splits = field->type == ValueType::number && op->suffix != kExists;
  for (const std::string_view text : splits ? split(value, ',') : std::vector{value}) {
    if (++state->given > limit) {  // said once, and no further value is looked at: a long list would make a huge answer
      if (state->given == limit + 1) faults.push_back({parameter.name + too_many, parameter.name});
      break;
    }
    if (const auto rule = add_value(state->filter, *filter_name, text); !rule.empty()) {
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

}  // namespace webhook_calls
