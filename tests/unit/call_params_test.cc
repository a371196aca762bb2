#include "fcgi/call_params.h"

#include <boost/test/unit_test.hpp>

#include "fcgi/cursor.h"
#include "tests/unit/shown.h"

namespace webhook_calls {
namespace {

constexpr Route kList{7};
constexpr Route kShow{7, 1842};

std::string shown_value(const FilterValue& value) {
  if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return "'" + shown(*text) + "'";
  if (const auto* code_class = std::get_if<CodeClass>(&value)) return std::to_string(code_class->hundreds) + "xx";
  const auto& instant = std::get<Instant>(value);
  return to_sql_datetime(instant.unix_ms) + (instant.finer ? "+" : "");
}

std::string shown_filter(const Filter& filter) {
  constexpr std::array kOperators{"in", "not in", "<", "<=", ">", ">=", "contains", "starts with", "ends with"};
  std::string text{row_of(filter.field).name};
  text.append(" ").append(kOperators.at(static_cast<std::size_t>(filter.op)));
  for (const FilterValue& value : filter.values) text += " " + shown_value(value);
  if (filter.or_null) text += " null";
  return text;
}

/// What differs from a request without parameters, part by part: `page 2|size 25|sort -id|count|http_code in 200|…`.
std::string shown_params(const CallParams& params) {
  const CallQuery& query = params.query;
  const DocumentShape& shape = params.shape;
  std::string text;
  const auto part = [&](const std::string& words) { text += (text.empty() ? "" : "|") + words; };
  if (query.webhook_id != 7) part("another webhook");
  if (query.page_number != 1) part("page " + std::to_string(query.page_number));
  if (query.position) {
    part(std::string{query.position->before ? "before" : "after"} +
         (query.position->values.empty() ? "" : " a record"));
  }
  if (query.page_size != 1000) part("size " + std::to_string(query.page_size));
  std::string sort;
  for (const SortKey& key : query.sort) sort.append(key.descending ? " -" : " ").append(row_of(key.field).name);
  if (!sort.empty()) part("sort" + sort);
  if (query.count) part("count");
  if (query.count_by.any()) {
    const CountBy& by = query.count_by;
    part("count by " + std::to_string(by.seconds) + " s and " + std::to_string(by.codes) + " codes");
  }
  for (const Filter& filter : query.filters) part(shown_filter(filter));
  if (query.fields != FieldSet::all_attributes()) {
    std::string fields;
    for (const CallFieldRow& row : kCallFields) {
      if (query.fields.has(row.field)) fields.append(" ").append(row.name);
    }
    part("fields" + fields);
  }
  if (!shape.relationships) part("no relationships");
  if (shape.included) part(shape.included_webhook ? "included webhook" : "included");
  if (!shape.webhook_name) part("no name");
  if (!shape.webhook_url) part("no url");
  return text;
}

/// The same; or the faults' parameters: `400 page[size]|sort`.
std::string outcome(std::string_view text, const Route& route) {
  try {
    return shown_params(decode_call_params(parse_query_string(text), route));
  } catch (const ApiError& error) {
    if (error.kind().status != 400) return "status " + std::to_string(error.kind().status);
    std::string faults = "400 ";
    for (const Fault& fault : error.faults()) {
      if (&fault != &error.faults().front()) faults += "|";
      faults += fault.detail.empty() ? "(no detail)" : shown(fault.parameter);
    }
    return faults;
  }
}

struct Row {
  std::string query, expected;
};

void check(std::span<const Row> rows, const Route& route) {
  for (const Row& row : rows) {
    BOOST_TEST_CONTEXT(route.path() << " ? " << shown(row.query)) {
      BOOST_TEST(outcome(row.query, route) == row.expected);
    }
  }
}

/// Each value of the table (rows_of()) is one fault of `name`.
void check_refused(const std::string& name, std::string_view values) {
  for (const std::string& value : rows_of(values)) check(std::array{Row{name + "=" + value, "400 " + name}}, kList);
}

/// `1,2,…,count`
std::string numbers(int count) {
  std::string text = "1";
  for (int i = 2; i <= count; ++i) text += "," + std::to_string(i);
  return text;
}

std::string repeated(const std::string& part, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += part;
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(call_params_test)

BOOST_AUTO_TEST_CASE(count_by) {
  const Row rows[] = {
      {"count_by=created_at.day,http_code.class", "count by 86400 s and 100 codes"},
      {"count%5Fby=http_code", "count by 0 s and 1 codes"},
      {"page[size]=0&count_by=created_at.hour", "size 0|count by 3600 s and 0 codes"},
      {"count_by=created_at.hour&page[size]=0", "size 0|count by 3600 s and 0 codes"},
      {"page[size]=0&count=true", "size 0|count"},
      {"page[size]=0&count=true&page[number]=9223372036854775808", "page 9223372036854775808|size 0|count"},
      {"page[size]=0&count=true&page[after]=", "after|size 0|count"},
      {"page[size]=0&count=false", "400 page[size]"},
      {"page[size]=0&count_by=", "400 count_by"},
      {"x=1&page[size]=0&y=1", "400 x|page[size]|y"},
      {"count_by=http_code&count_by=http_code", "400 count_by"},
      {"count_by", "400 count_by"},
      {"count_by=http_code,", "400 count_by"},
      {"count_by[]=http_code", "400 count_by[]"},
      {"countby=http_code", "400 countby"},
  };
  check(rows, kList);
  check(std::array{Row{"count_by=http_code", "400 count_by"}}, kShow);
}

BOOST_AUTO_TEST_CASE(nothing_given) {
  const CallParams params = decode_call_params({}, kList);
  BOOST_TEST((
      params.query ==
      CallQuery{
          .webhook_id = 7, .fields = FieldSet::all_attributes(), .page_number = 1, .page_size = 1000, .count = false}));
  BOOST_TEST((params.shape == DocumentShape{.relationships = true, .included = false}));
  BOOST_TEST(outcome("", kShow).empty());
}

BOOST_AUTO_TEST_CASE(unknown_names) {
  for (const std::string& name : rows_of(R"(x|_|Page[size]|page|page[]|page[limit]|page[Size]|page[size][]|page[size]x
page[size|pagesize]|page[size] |per_page|filter|filter[]|filter[typo]|filter[ id]|filter[ID]|filter[id__lt]
filter[webhook_id__gte]|filter[headers__gt]|filter[body__lte]|filter[http_code__ne]|filter[http_code__eq_]|filter[http_code__]|filter[__lt]
filter[http_code__lt__lt]|filter[id][x]|filter[id][-1]|filter[id][0][0]|filter[id|filter[id]]|[id]|sort[]|count[]|sorts
included[webhook]|include[0]|includes|field[notification/webhook/calls]|callback|api_key)")) {
    check(std::array{Row{name, "400 " + name}, Row{name + "=1", "400 " + name}}, kList);
  }
  check(std::array{Row{"_=1&callback=x&=y", "400 |_|callback"}}, kList);
  const Row on_show[] = {
      {"page[number]=1", "400 page[number]"},
      {"page[size]=1", "400 page[size]"},
      {"sort=id", "400 sort"},
      {"sort=", "400 sort"},
      {"count=true", "400 count"},
      {"filter[id]=1842", "400 filter[id]"},
      {"filter[body]", "400 filter[body]"},
      {"x=1&page[size]=1&fields[notification/webhook/calls]=body", "400 x|page[size]"},
  };
  check(on_show, kShow);
}

BOOST_AUTO_TEST_CASE(pages) {
  const Row rows[] = {
      {"page[number]=1", ""},
      {"page[number]=2", "page 2"},
      {"page%5Bnumber%5D=2&page%5bsize]=25", "page 2|size 25"},
      {"page[size]=1", "size 1"},
      {"page[size]=999", "size 999"},
      {"page[size]=1000", ""},
      {"page[number]", "400 page[number]"},
      {"page[size]", "400 page[size]"},
      // offset 2^63 at most
      {"page[number]=9223372036854775809&page[size]=1", "page 9223372036854775809|size 1"},
      {"page[number]=9223372036854775810&page[size]=1", "400 page[number]"},
      {"page[size]=1&page[number]=9223372036854775810", "400 page[number]"},
      {"page[number]=9223372036854776", "page 9223372036854776"},
      // twice, in whatever spelling
      {"page[number]=1&page[number]=1", "400 page[number]"},
      {"page[size]=5&page%5Bsize%5D=5", "400 page[size]"},
      {"page[size]=5&page[size]=5&page[size]=5", "400 page[size]|page[size]"},
  };
  check(rows, kList);
  check_refused("page[number]",
                "|0|-1|+1|%2B1|1%20|01|00|1.0|1e3|0x10|12abc|1,2|%D9%A1|9223372036854777|18446744073709551615|"
                "18446744073709551616|99999999999999999999999999");
  check_refused("page[size]", "|0|-1|1001|010|25x|18446744073709551617");
}

BOOST_AUTO_TEST_CASE(cursors) {
  const std::string by_id = make_cursor({BindValue{std::uint64_t{9}}}, {});
  const Row rows[] = {
      {"page[after]=", "after"},
      {"page%5Bbefore%5D=&page[size]=5", "before|size 5"},
      {"page[after]=" + by_id, "after a record"},
      {"page[before]=" + by_id + "&sort=id", "before a record|sort id"},
      {"page[after]=" + by_id + "&sort=-id", "400 page[after]"},
      {"sort=created_at&page[before]=" + by_id, "400 page[before]"},
      {"page[after]=x", "400 page[after]"},
      {"page[after]", "400 page[after]"},
      {"page[after][]=", "400 page[after][]"},
      {"page[after]=&page[after]=", "400 page[after]"},
      {"page[before]=&page[after]=", "400 page[after]"},
      {"page[number]=1&page[after]=", "400 page[number]"},
      {"page[after]=x&page%5Bnumber%5D=2", "400 page[number]|page[after]"},
  };
  check(rows, kList);
  check(std::array{Row{"page[after]=", "400 page[after]"}}, kShow);
}

BOOST_AUTO_TEST_CASE(sorts) {
  const Row rows[] = {
      {"sort=", ""},
      {"sort", ""},
      {"sort=id", "sort id"},
      {"sort=-created_at", "sort -created_at"},
      {"sort=http_code,-id", "sort http_code -id"},
      {"sort=id%2C-body", "sort id -body"},
      {"sort=-id,webhook_id,-http_code,headers,-body,created_at",
       "sort -id webhook_id -http_code headers -body created_at"},
      {"sort=,", "400 sort|sort"},
      {"sort=id,x,id,y", "400 sort|sort|sort"},
      {"sort=id&sort=body", "400 sort"},
      {"sort=&sort=", "400 sort"},
  };
  check(rows, kList);
  check_refused("sort",
                "x|ID|-|--id|%2Bid|id%20|id,+body|id+desc|id;body|created_at__lt|webhook.name|type|id,|,id|id,,body|id,"
                "id|id,-id");
}

BOOST_AUTO_TEST_CASE(counts) {
  std::vector<Row> rows = {{"count", "400 count"}, {"count=t&count=t", "400 count"}, {"count=1&count=0", "400 count"}};
  for (const char* word : {"true", "t", "yes", "y", "1", "TRUE", "True", "T", "YES", "Yes", "Y", "tRuE"}) {
    rows.push_back({std::string{"count="} + word, "count"});
  }
  for (const char* word : {"false", "f", "no", "n", "0", "FALSE", "False", "F", "NO", "No", "N"}) {
    rows.push_back({std::string{"count="} + word, ""});
  }
  check(rows, kList);
  check_refused("count", "|2|on|true,|00|true%20|truey|null|tr");
}

BOOST_AUTO_TEST_CASE(number_filters) {
  std::vector<Row> rows;
  for (const std::string name : {"id", "webhook_id", "http_code"}) {
    const std::string key = "filter[" + name + "]";
    rows.insert(rows.end(), {
                                {key + "=5", name + " in 5"},
                                {key + "=0", name + " in 0"},
                                {key + "=007", name + " in 7"},
                                {key + "=0000000000000000000000000000009", name + " in 9"},
                                {key + "=18446744073709551615", name + " in 18446744073709551615"},
                                {key + "=18446744073709551616", name + " in"},
                                {key + "=99999999999999999999999,3", name + " in 3"},
                                {"filter%5B" + name + "%5D=5", name + " in 5"},
                                {key + "=1,2", name + " in 1 2"},
                                {key + "=1%2C2", name + " in 1 2"},
                                {key + "[]=1&" + key + "[]=2", name + " in 1 2"},
                                {key + "[0]=1&" + key + "[17]=2", name + " in 1 2"},
                                {key + "=1&" + key + "=2", name + " in 1 2"},
                                {key + "=1,2&" + key + "[]=3&" + key + "[0]=4,5", name + " in 1 2 3 4 5"},
                                {key + "=" + numbers(99) + "&" + key + "=5x", "400 " + key},
                                {key + "=" + numbers(101), "400 " + key},
                                {key + "=5" + repeated(",5", 100), "400 " + key},
                                {key + "=99999999999999999999" + repeated(",99999999999999999999", 100), "400 " + key},
                                {key + "=" + numbers(100) + "&" + key + "[]=1", "400 " + key + "[]"},
                                {key + "=,", "400 " + key + "|" + key},
                                {key + "=a,b,3", "400 " + key + "|" + key},
                                {key + "[]=1&" + key + "[]=x", "400 " + key + "[]"},
                            });
    check_refused(key, "|abc|12abc|-1|%2B1|+1|1+|1.0|0x1F|null|1,|1,,2|200..299");
  }
  rows.push_back({"filter[id]", "400 filter[id]"});
  rows.push_back({"filter[webhook_id]", "400 filter[webhook_id]"});
  check(rows, kList);
  const CallParams hundred = decode_call_params(parse_query_string("filter[id]=" + numbers(100)), kList);
  BOOST_TEST(hundred.query.filters.front().values.size() == 100U);
}

BOOST_AUTO_TEST_CASE(null_filters) {
  const Row rows[] = {
      {"filter[http_code]", "http_code in null"},
      {"filter[headers]", "headers in null"},
      {"filter[body]", "body in null"},
      {"filter%5Bbody%5D", "body in null"},
      {"filter[http_code]&filter[http_code]=200,404", "http_code in 200 404 null"},
      {"filter[http_code]=200&filter[http_code]", "http_code in 200 null"},
      {"filter[body]=&filter[body]", "body in '' null"},
      {"filter[headers]&filter[headers][]=a", "headers in 'a' null"},
      {"filter[http_code]&filter[http_code]", "http_code in null"},
      {"filter[http_code__lt]", "400 filter[http_code__lt]"},
      {"filter[created_at]", "400 filter[created_at]"},
      {"filter[created_at__gte]", "400 filter[created_at__gte]"},
  };
  check(rows, kList);
}

BOOST_AUTO_TEST_CASE(text_filters) {
  std::vector<Row> rows;
  for (const std::string name : {"headers", "body"}) {
    const std::string key = "filter[" + name + "]";
    rows.insert(rows.end(), {
                                {key + "=ok", name + " in 'ok'"},
                                {key + "=", name + " in ''"},
                                {key + "=a,b", name + " in 'a,b'"},
                                {key + "=+OK+", name + " in ' OK '"},
                                {key + "=a%26b%3Dc=d", name + " in 'a&b=c=d'"},
                                {key + "=%C3%BC%0D%0A", name + " in '\\xC3\\xBC\\x0D\\x0A'"},
                                {key + "=null", name + " in 'null'"},
                                {key + "[]=a&" + key + "[]=b,c", name + " in 'a' 'b,c'"},
                                {key + "[0]=a&" + key + "=&" + key + "[]=c", name + " in 'a' '' 'c'"},
                                {key + "=%FF", "400 " + key},
                                {key + "=a%00", "400 " + key},
                                {repeated(key + "=a&", 101), "400 " + key},
                                {key + "=a" + repeated(",a", 200), name + " in 'a" + repeated(",a", 200) + "'"},
                            });
  }
  check(rows, kList);
  const CallParams hundred = decode_call_params(parse_query_string(repeated("filter[body]=a&", 100)), kList);
  BOOST_TEST(hundred.query.filters.front().values.size() == 100U);
}

BOOST_AUTO_TEST_CASE(time_filters) {
  const std::string day = "2026-11-01 00:00:00.000";
  const Row rows[] = {
      {"filter[created_at]=2026-11-01", "created_at in " + day},
      {"filter[created_at]=2026-11-01T02:00:00%2B02:00", "created_at in " + day},
      {"filter[created_at]=2026-11-01T02:00:00+02:00", "created_at in " + day},
      {"filter[created_at]=2026-11-01+00:00", "created_at in " + day},
      {"filter[created_at]=2026-11-01T00:00:00.0001Z", "created_at in " + day + "+"},
      {"filter[created_at][]=2026-11-01&filter[created_at]=2026-11-01T00:00:00.25",
       "created_at in " + day + " 2026-11-01 00:00:00.250"},
      {"filter[created_at__lt]=2026-11-01", "created_at < " + day},
      {"filter[created_at__lte]=2026-11-01", "created_at <= " + day},
      {"filter[created_at__gt]=2026-11-01", "created_at > " + day},
      {"filter[created_at__gte]=2026-11-01", "created_at >= " + day},
      {"filter[created_at__gte]=2026-11-01&filter[created_at__lt]=2026-11-01T00:00:00.123456Z",
       "created_at >= " + day + "|created_at < 2026-11-01 00:00:00.123+"},
      {"filter[created_at__lt]=", "400 filter[created_at__lt]"},
      {"filter[created_at__gt]=2026-11-01,2026-11-02", "400 filter[created_at__gt]"},
      {"filter[created_at__gt]=2026-11-01&filter[created_at__gt]=2026-11-01", "400 filter[created_at__gt]"},
      {"filter[created_at__lte]=2026-11-01&filter%5Bcreated_at__lte]=2026-11-02", "400 filter[created_at__lte]"},
      {repeated("filter[created_at]=2026-11-01&", 101), "400 filter[created_at]"},
  };
  check(rows, kList);
  check_refused("filter[created_at]", "|yesterday|2026-11-01,2026-11-02|2026-02-29|1793527200");
}

BOOST_AUTO_TEST_CASE(range_filters) {
  const Row rows[] = {
      {"filter[http_code__lt]=500", "http_code < 500"},
      {"filter[http_code__lte]=500", "http_code <= 500"},
      {"filter[http_code__gt]=0500", "http_code > 500"},
      {"filter[http_code__gte]=500", "http_code >= 500"},
      {"filter[http_code__gte][]=500", "http_code >= 500"},
      {"filter[http_code__gte][0]=500", "http_code >= 500"},
      {"filter[http_code__gte]=400&filter[http_code__lt]=500", "http_code >= 400|http_code < 500"},
      {"filter[http_code__gt]=99999999999999999999", "http_code >"},
      {"filter[http_code__lt]=", "400 filter[http_code__lt]"},
      {"filter[http_code__lt]=5xx", "400 filter[http_code__lt]"},
      {"filter[http_code__lt]=1,2", "400 filter[http_code__lt]"},
      {"filter[http_code__lt]=1&filter[http_code__lt]=1", "400 filter[http_code__lt]"},
      {"filter[http_code__lt]=1&filter[http_code__lt][]=2", "400 filter[http_code__lt][]"},
      {"filter[http_code__lt][]=1&filter[http_code__lt][]=2", "400 filter[http_code__lt][]"},
      {"filter[http_code__gt]=99999999999999999999&filter[http_code__gt]=1", "400 filter[http_code__gt]"},
  };
  check(rows, kList);
}

BOOST_AUTO_TEST_CASE(more_operators) {
  const Row rows[] = {
      {"filter[id__eq]=1,2", "id in 1 2"},
      {"filter[webhook_id__in][]=1&filter[webhook_id__in][]=2", "webhook_id in 1 2"},
      {"filter[created_at__eq]=2026-11-01", "created_at in 2026-11-01 00:00:00.000"},
      {"filter[body__in]=a,b&filter[body__in]=", "body in 'a,b' ''"},
      {"filter[body__eq]", "body in null"},
      // each key is a filter of its own
      {"filter[id]=1&filter[id__eq]=2&filter[id__in]=3&filter[id__eq][]=4", "id in 1|id in 2 4|id in 3"},
      {"filter[id__neq]=1", "id not in 1"},
      {"filter[id__neq]=99999999999999999999", "id not in"},
      {"filter[webhook_id__neq]=1,2&filter[webhook_id__neq][3]=3", "webhook_id not in 1 2 3"},
      {"filter[http_code__neq]=200&filter[http_code__neq]", "http_code not in 200 null"},
      {"filter[headers__neq]", "headers not in null"},
      {"filter[body__neq]=", "body not in ''"},
      {"filter[http_code__exists]=true", "http_code not in null"},
      {"filter[headers__exists]=0", "headers in null"},
      {"filter[body__exists][]=YES", "body not in null"},
      {"filter[body__match]=a%25_b", "body contains 'a%_b'"},
      {"filter[headers__prefix]=", "headers starts with ''"},
      {"filter[body__suffix]=a,b", "body ends with 'a,b'"},
      // classes of codes
      {"filter[http_code]=5xx", "http_code in 5xx"},
      {"filter[http_code]=1xx,404,9xx&filter[http_code][]=204", "http_code in 1xx 404 9xx 204"},
      {"filter[http_code__in]=4xx&filter[http_code__in]", "http_code in 4xx null"},
      {"filter[http_code__neq]=2xx,3xx,2xx", "http_code not in 2xx 3xx"},
      // one value, and of its kind
      {"filter[body__match]", "400 filter[body__match]"},
      {"filter[body__match]=a&filter[body__match]=b", "400 filter[body__match]"},
      {"filter[body__exists]", "400 filter[body__exists]"},
      {"filter[http_code__exists]=", "400 filter[http_code__exists]"},
      {"filter[http_code__exists]=maybe", "400 filter[http_code__exists]"},
      {"filter[http_code__exists]=t&filter[http_code__exists]=t", "400 filter[http_code__exists]"},
      {"filter[id__neq]", "400 filter[id__neq]"},
      {"filter[id__neq]=x", "400 filter[id__neq]"},
      {"filter[id__neq]=" + numbers(101), "400 filter[id__neq]"},
      {repeated("filter[body__in]=x&", 101), "400 filter[body__in]"},
  };
  check(rows, kList);
  check_refused("filter[http_code]", "0xx|xx|5x|5xxx|5XX|5xX|55x|xxx|-1xx|5xx,|10xx|5xx ,4xx");
  for (const std::string& name :
       rows_of("created_at__neq|id__exists|created_at__exists|id__match|http_code__prefix|"
               "created_at__suffix|webhook_id__match|body__contains|id__|__eq|body__eq__eq")) {
    check(std::array{Row{"filter[" + name + "]=1", "400 filter[" + name + "]"}}, kList);
  }
}

BOOST_AUTO_TEST_CASE(sparse_fields) {
  const std::string calls = "fields[notification/webhook/calls]", webhooks = "fields[notification/webhooks]";
  const Row rows[] = {
      {calls + "=body", "fields body|no relationships"},
      {"fields%5Bnotification%2Fwebhook%2Fcalls%5D=body", "fields body|no relationships"},
      {calls + "=http_code,created_at", "fields http_code created_at|no relationships"},
      {calls + "=http_code,headers,body,created_at", "no relationships"},
      {calls + "=http_code,headers,body,created_at,webhook", ""},
      {calls + "=webhook", "fields"},
      {calls + "=", "fields|no relationships"},
      {calls, "fields|no relationships"},
      {calls + "[]=", "fields|no relationships"},
      {calls + "=id,type,webhook_id,unknown,Body", "fields|no relationships"},
      {calls + "=,body,", "fields body|no relationships"},
      {calls + "=body,body", "fields body|no relationships"},
      {calls + "[]=body&" + calls + "[]=headers", "fields headers body|no relationships"},
      {calls + "=body&" + calls + "=webhook&" + calls + "[]=created_at,id", "fields body created_at"},
      {calls + "=&" + calls + "=body", "fields body|no relationships"},
      {webhooks + "=name", "no url"},
      {webhooks + "=url", "no name"},
      {webhooks + "=name,url", ""},
      {webhooks + "[]=name&" + webhooks + "=url", ""},
      {webhooks + "=", "no name|no url"},
      {webhooks + "=secret,id", "no name|no url"},
      {calls + "=body&" + webhooks + "=name", "fields body|no relationships|no url"},
      {"fields[calls]=body", ""},
      {"fields[x][]=y&fields[ ]=", ""},
      {"fields=body", "400 fields"},
      {"fields", "400 fields"},
      {"fields[]=body", "400 fields[]"},
  };
  check(rows, kList);
  check(rows, kShow);
}

BOOST_AUTO_TEST_CASE(includes) {
  std::vector<Row> rows;
  for (const std::string name : {"include", "include[]", "included", "included[]"}) {
    rows.insert(rows.end(), {
                                {name + "=webhook", "included webhook"},
                                {name + "=webhook,webhook", "included webhook"},
                                {name + "=", "included"},
                                {name, "included"},
                                {name + "=&" + name + "=webhook", "included webhook"},
                                {name + "=calls", "400 " + name},
                                {name + "=Webhook", "400 " + name},
                                {name + "=webhook.account", "400 " + name},
                                {name + "=webhook%20", "400 " + name},
                                {name + "=webhook,x", "400 " + name},
                                {name + "=webhook,", "400 " + name},
                            });
  }
  rows.push_back({"include=webhook&included[]=webhook&include[]=", "included webhook"});
  rows.push_back({"include=&included=", "included"});
  rows.push_back({"include=x&included=y", "400 include|included"});
  rows.push_back({"%69nclude%5B%5D=webhook", "included webhook"});
  check(rows, kList);
  check(rows, kShow);
}

BOOST_AUTO_TEST_CASE(all_at_once) {
  const Row rows[] = {
      {"page[number]=3&page[size]=25&sort=-created_at,id&count=yes&filter[http_code__gte]=400&filter[http_code]&"
       "filter[headers]=&filter[id][]=1&filter[id]=2&fields[notification/webhook/calls]=http_code&include=webhook",
       "page 3|size 25|sort -created_at id|count|http_code >= 400|http_code in null|headers in ''|id in 1 2|"
       "fields http_code|no relationships|included webhook"},
      // those of the text first, the others in the client's order
      {"page[size]=0&x=1&count=%zz&sort=q&filter[id]=a,b&=5&filter[created_at__lt]=now&include=y&fields=z&a=%FF",
       "400 count||a|page[size]|x|sort|filter[id]|filter[id]|filter[created_at__lt]|include|fields"},
  };
  check(rows, kList);
}

// An export has neither pages nor members beside its records; all else is as ever.
BOOST_AUTO_TEST_CASE(exports) {
  const struct {
    std::string query, faults;
  } rows[] = {
      {"", ""},
      {"sort=-id&filter[id]=1&fields[notification/webhook/calls]=body&fields[notification/webhooks]=name", ""},
      {"page[number]=1", "page[number]"},
      {"page[size]=10&page%5Bafter%5D=&page[typo]=1&page=2", "page[size] page[after] page[typo] page"},
      {"count=false&count_by=http_code", "count count_by"},
      {"include=&included=webhook&include[]=webhook", "include included include[]"},
      {"typo=1&filter[id]=x&page[size]=1", "typo filter[id] page[size]"},
  };
  for (const auto& row : rows) {
    BOOST_TEST_CONTEXT(row.query) {
      std::string faults;
      try {
        static_cast<void>(decode_call_params(parse_query_string(row.query), kList, true));
      } catch (const ApiError& error) {
        for (const Fault& fault : error.faults()) faults += (faults.empty() ? "" : " ") + fault.parameter;
      }
      BOOST_TEST(faults == row.faults);
    }
  }
}

/// A fault names the element that is wrong, and those behind the 100th are not looked at: the answer to 30 KB must not
/// be 450 MB.
BOOST_AUTO_TEST_CASE(long_lists_of_faults_stay_small) {
  for (const char* name : {"filter[id]", "filter[http_code]", "filter[http_code__lt]"}) {
    BOOST_TEST_CONTEXT(name) {
      try {
        static_cast<void>(decode_call_params(parse_query_string(name + ("=" + repeated("a,", 15000))), kList));
        BOOST_ERROR("accepted");
      } catch (const ApiError& error) {
        BOOST_TEST(error.faults().size() <= 101U);
        for (const Fault& fault : error.faults()) BOOST_TEST(fault.detail.size() < 100U);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(words) {
  const auto first_detail = [](std::string_view text) {
    try {
      static_cast<void>(decode_call_params(parse_query_string(text), kList));
    } catch (const ApiError& error) {
      return error.faults().front().detail;
    }
    return std::string{};
  };
  BOOST_TEST(first_detail("page[size]=0") == "page[size] must be a whole number from 1 to 1000, not \"0\".");
  BOOST_TEST(first_detail("page[size]=0&count=false").starts_with("page[size] must be "));
  BOOST_TEST(first_detail("page[after]").find("empty for the beginning of the list") != std::string::npos);
  BOOST_TEST(first_detail("page[before]").find("empty for the end of the list") != std::string::npos);
  BOOST_TEST(first_detail("filter[typo]=1").find("filter[typo]") != std::string::npos);
  BOOST_TEST(first_detail("sort=typo").find("typo") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace webhook_calls
