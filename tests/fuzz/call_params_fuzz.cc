#include "fcgi/call_params.h"
#include "fcgi/jsonapi.h"
#include "fcgi/links.h"
#include "sql/call_statements.h"
#include "sql/chunk_statements.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/reference_utf8.h"

/// A query string: what is accepted keeps its type's promises and reaches a statement as bound values only, what is
/// refused makes a document of errors, and links lead back to the same parameters.
namespace webhook_calls {
namespace {

const std::string kCutoff = "2026-09-02 10:00:00.000";

/// A refusal of the query and the document that tells it.
void check_refusal(const QueryString& parsed, const ApiError& error) {
  require(error.kind().status == 400 && !error.faults().empty(), "a refusal has a fault");
  std::string text;
  JsonWriter json{text};
  write_errors(json, error, "id");
  const rapidjson::Document document = json_of(text);
  const rapidjson::Value& errors = document["errors"];
  require(errors.Size() == error.faults().size(), "an error object for each fault");
  for (rapidjson::SizeType i = 0; i < errors.Size(); ++i) {
    const Fault& fault = error.faults()[i];
    require(std::ranges::count(parsed.parameters, fault.parameter, &Parameter::name) > 0 ||
                std::ranges::count(parsed.faults, fault) > 0,
            "a fault names a parameter that was sent");
    require(!fault.detail.empty() && text_of(errors[i]["detail"]) == reference_utf8(fault.detail), "a fault has words");
    require(text_of(errors[i]["source"]["parameter"]) == reference_utf8(fault.parameter), "as the client wrote it");
  }
}

void check_promises(const CallQuery& query) {
  const bool counts = query.count || query.count_by.any();
  require(query.page_number >= 1 && (query.page_size >= 1 || counts) && query.page_size <= kMaxPageSize,
          "a page within its limits");
  require(query.page_size == 0 || (query.page_number - 1) <= (std::uint64_t{1} << 63U) / query.page_size,
          "an offset of 2^63 at most");
  for (const SortKey& key : query.sort) {
    require(std::ranges::count(query.sort, key.field, &SortKey::field) == 1, "no field twice in a sort");
  }
  for (const Filter& filter : query.filters) {
    const bool is_list = filter.op == Operator::any_of || filter.op == Operator::none_of;
    require(filter.values.size() <= (is_list ? 100U : 1U), "no more values than a filter takes");
    require(!filter.or_null || row_of(filter.field).nullable, "null only where a field can be null");
    for (const FilterValue& value : filter.values) {
      const bool is_class = std::holds_alternative<CodeClass>(value) && filter.field == CallField::http_code && is_list;
      require(is_class || value.index() == static_cast<std::size_t>(row_of(filter.field).type),
              "values of the field's type");
    }
  }
}

/// The same query with other values; those of webhook_id decide the text themselves.
CallQuery with_other_values(CallQuery query) {
  for (Filter& filter : query.filters) {
    if (filter.field == CallField::webhook_id) continue;
    for (FilterValue& value : filter.values) {
      if (auto* number = std::get_if<std::uint64_t>(&value)) *number = 1;
      if (auto* text = std::get_if<std::string>(&value)) *text = "other";
      if (auto* instant = std::get_if<Instant>(&value)) instant->unix_ms = 0;
    }
  }
  return query;
}

/// All that a list can send of the query.
std::vector<Statement> statements_of(const CallQuery& query) {
  const CallScope scope{kCutoff, {{1, 2}, {3}}};
  const ChunkScope chunks{query, kCutoff};
  const ChunkOrder order{.by_time = true};
  std::vector<Statement> statements{count_calls(query, scope),
                                    count_groups(query, {kCutoff, {}, CallSpan{{1, 2}, kCutoff, kCutoff}}),
                                    sum_groups(chunks, {.all_but = true}),
                                    select_crossing_chunks(chunks),
                                    sum_whole_chunks(chunks),
                                    select_partial_chunks(chunks),
                                    select_chunks(chunks),
                                    select_skip(chunks, order, query.offset()),
                                    select_reach(chunks, order, query.page_size)};
  if (query.page_size > 0) statements.push_back(select_page(query, {.scope = scope, .offset = query.offset()}));
  return statements;
}

void check_statements(const CallQuery& query) {
  const std::vector<Statement> statements = statements_of(query), others = statements_of(with_other_values(query));
  for (std::size_t i = 0; i < statements.size(); ++i) {
    const auto marks = std::ranges::count(statements[i].text(), '?');
    require(static_cast<std::size_t>(marks) == statements[i].binds().size(), "as many marks as values");
    require(statements[i].text() == others[i].text(), "no value in a statement's text");
  }
}

QueryString query_of(std::string_view link, const Route& route) {
  require(parse_route(take_until(link, '?')).path() == route.path(), "a link leads to the same resource");
  return parse_query_string(link);
}

void check_links(const Route& route, const QueryString& parsed, const CallQuery& query) {
  require(query_of(make_self_link(route, parsed.parameters), route).parameters == parsed.parameters,
          "self has the parameters");
  if (route.call_id || query.page_size == 0) return;  // a page of nothing has no neighbours
  const PageLinks links = make_page_links(route, parsed.parameters, query, true, 123456);
  const std::pair<std::string, std::uint64_t> pages[] = {{links.first, 1},
                                                         {links.prev, query.page_number - 1},
                                                         {links.next, query.page_number + 1},
                                                         {links.last, 123455 / query.page_size + 1}};
  for (const auto& [link, page] : pages) {
    if (link.empty()) continue;
    try {
      CallQuery linked = decode_call_params(query_of(link, route), route).query;
      require(linked.page_number == page, "a link leads to its page");
      linked.page_number = query.page_number;
      require(linked == query, "a link keeps the rest of the query");
    } catch (const ApiError&) {
      require(page > query.page_number, "only a page beyond the last possible one may be refused");
    }
  }
}

/// An export accepts what a list does, but for pages and members that it does not have, and nothing else.
void check_export(const QueryString& parsed) {
  try {
    const CallParams params = decode_call_params(parsed, {7}, true);
    require(!params.query.position && !params.query.count && !params.shape.included, "an export has no pages");
    require(params.query.page_number == 1 && params.query.page_size == kMaxPageSize, "an export has no page's size");
    require(decode_call_params(parsed, {7}).query == params.query, "an export's query is that of the list");
  } catch (const ApiError& error) {
    check_refusal(parsed, error);
  }
}

}  // namespace

void run(std::string_view input) {
  const QueryString parsed = parse_query_string(input);
  check_export(parsed);
  for (const Route& route : {Route{7}, Route{7, 1842}}) {
    try {
      const CallParams params = decode_call_params(parsed, route);
      require(parsed.faults.empty(), "a faulty text is refused");
      check_promises(params.query);
      check_statements(params.query);
      check_links(route, parsed, params.query);
    } catch (const ApiError& error) {
      check_refusal(parsed, error);
    }
  }
}

}  // namespace webhook_calls
