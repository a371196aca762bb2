#include "sql/call_conditions.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "sql/overloaded.h"
#include "sql/redaction.h"

namespace webhook_calls {
namespace {

BindValue bind_value_of(const FilterValue& value) {
  return std::visit(Overloaded{[](const Instant& instant) { return BindValue{to_sql_datetime(instant.unix_ms)}; },
                               [](const CodeClass& code_class) { return BindValue{code_class.first()}; },
                               [](const auto& plain) { return BindValue{plain}; }},
                    value);
}

/// Between two values that the column can hold.
bool is_between(const FilterValue& value) {
  const auto* instant = std::get_if<Instant>(&value);
  return instant != nullptr && instant->finer;
}

Sql comparison(const Filter& filter) {
  const bool between = is_between(filter.values.front());
  switch (filter.op) {
    case Operator::lt:
      return between ? Sql{"<="} : Sql{"<"};
    case Operator::lte:
      return "<=";
    case Operator::gt:
      return ">";
    case Operator::gte:
      return between ? Sql{">"} : Sql{">="};
    default:
      return "=";
  }
}

/// One of the values, in brackets where that is more than one condition.
void add_any_of(Statement& statement, const Statement& column, const Filter& filter) {
  std::vector<BindValue> values;
  std::vector<Statement> conditions;
  for (const FilterValue& value : filter.values) {
    if (const auto* code_class = std::get_if<CodeClass>(&value)) {
      Statement& condition = conditions.emplace_back(column);
      condition.add(" BETWEEN ").bind(code_class->first()).add(" AND ").bind(code_class->last());
    } else if (!is_between(value)) {
      values.push_back(bind_value_of(value));
    }
  }
  if (!values.empty() && row_of(filter.field).type == ValueType::text) {
    // Bytes, because a column that must equal a value is replaced by it in the statement's other conditions and its
    // order.
    conditions.emplace_back(column).add(" IN ").bind_list(values, "CAST(", " AS BINARY)");
  } else if (!values.empty()) {
    conditions.emplace_back(column).add(" IN ").bind_list(values);
  }
  if (filter.or_null) conditions.emplace_back(column).add(" IS NULL");
  if (conditions.empty()) conditions.emplace_back(Sql{"FALSE"});
  if (conditions.size() > 1) statement.add("(");
  for (const Statement& condition : conditions) {
    if (&condition != &conditions.front()) statement.add(" OR ");
    statement.add(condition);
  }
  if (conditions.size() > 1) statement.add(")");
}

/// Of the bytes, in a collation that only knows the ASCII letters as letters: hp8_english_ci is the same for A and a,
/// and for no other two bytes (tests/acceptance/cases/filters_more.case). The columns are binary, and have no letters.
void add_search(Statement& statement, const Statement& column, const Filter& filter) {
  const BindValue text = bind_value_of(filter.values.front());
  const std::uint64_t length = std::get<std::string>(text).size();
  statement.add("LOCATE(CONVERT(CAST(").bind(text).add(" AS BINARY) USING hp8) COLLATE hp8_english_ci,CONVERT(");
  if (filter.op == Operator::contains) {
    statement.add(column);
  } else {
    statement.add(filter.op == Operator::starts_with ? Sql{"LEFT("} : Sql{"RIGHT("});
    statement.add(column).add(",").bind(length).add(")");
  }
  statement.add(" USING hp8))>0");
}

/// As many ranges as the next power of two, the last one repeated: so few different texts are prepared.
void add_ids(Statement& statement, const std::vector<IdRange>& ids) {
  if (ids.empty()) return;
  statement.add(" AND (");
  for (std::size_t i = 0; i < std::bit_ceil(ids.size()); ++i) {
    const IdRange& range = ids[std::min(i, ids.size() - 1)];
    if (i > 0) statement.add(" OR ");
    statement.add("c.id>=").bind(range.first).add(" AND c.id<=").bind(range.last);
  }
  statement.add(")");
}

void add_span(Statement& statement, const CallSpan& span) {
  statement.add(" AND c.created_at>=").bind(span.from).add(" AND c.created_at<").bind(span.until);
  statement.add(" AND c.id>=").bind(span.ids.first).add(" AND c.id<=").bind(span.ids.last);
}

}  // namespace

Statement column_of(CallField field, const CallQuery& query) {
  if (field == CallField::headers && !query.redaction.empty()) return redacted_headers(query.redaction);
  return Statement{row_of(field).column};
}

bool accepts(const Filter& filter, std::uint64_t number) {
  const auto holds = [&](const FilterValue& value) {
    if (const auto* code_class = std::get_if<CodeClass>(&value)) {
      return code_class->first() <= number && number <= code_class->last();
    }
    const std::uint64_t bound = std::get<std::uint64_t>(value);
    switch (filter.op) {
      case Operator::lt:
        return number < bound;
      case Operator::lte:
        return number <= bound;
      case Operator::gt:
        return number > bound;
      case Operator::gte:
        return number >= bound;
      default:
        return number == bound;
    }
  };
  return std::ranges::any_of(filter.values, holds) != (filter.op == Operator::none_of);
}

bool accepts_null(const Filter& filter) { return filter.or_null != (filter.op == Operator::none_of); }

void add_condition(Statement& statement, const Statement& column, const Filter& filter) {
  switch (filter.op) {
    case Operator::any_of:
      return add_any_of(statement, column, filter);
    case Operator::none_of:  // null is not equal to anything, and so it is none of the values
      statement.add("NOT COALESCE(");
      add_any_of(statement, column, filter);
      statement.add(",FALSE)");
      return;
    default:
      break;
  }
  if (filter.values.empty()) {
    statement.add("FALSE");
  } else if (filter.op == Operator::contains || filter.op == Operator::starts_with ||
             filter.op == Operator::ends_with) {
    add_search(statement, column, filter);
  } else {
    statement.add(column).add(comparison(filter)).bind(bind_value_of(filter.values.front()));
  }
}

void add_conditions(Statement& statement, const CallQuery& query, const CallScope& scope) {
  statement.add(" WHERE c.webhook_id=").bind(query.webhook_id).add(" AND c.created_at>");
  if (scope.cutoff.empty()) {
    statement.add(kCutoffNow);
  } else {
    statement.bind(scope.cutoff);
  }
  add_ids(statement, scope.ids);
  if (scope.span) add_span(statement, *scope.span);
  for (const Filter& filter : query.filters) {
    if (filter.field == CallField::webhook_id) {  // decided here: the webhook is the path's
      if (!accepts(filter, query.webhook_id)) statement.add(" AND FALSE");
    } else {
      statement.add(" AND ");
      add_condition(statement, column_of(filter.field, query), filter);
    }
  }
}

void add_group(Statement& statement, const CountBy& by, Sql created_at, Sql http_code) {
  if (by.seconds != 0) {
    statement.add("TO_SECONDS(").add(created_at).add(") DIV ").bind(by.seconds).add(" AS t,");
  } else {
    statement.add("0 AS t,");
  }
  if (by.codes != 0) {
    statement.add(http_code).add(" DIV ").bind(by.codes).add(" AS g");
  } else {
    statement.add("0 AS g");
  }
}

}  // namespace webhook_calls
