#include "fcgi/call_params.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fcgi/count_by.h"
#include "fcgi/cursor.h"
#include "fcgi/filter_params.h"
#include "fcgi/numbers.h"
#include "fcgi/text.h"

namespace webhook_calls {
namespace {

bool is_list_index(const std::optional<std::string_view>& index) {
  return !index || index->empty() || is_whole_number(*index);
}

constexpr std::string_view kPageSizeRule = "a whole number from 1 to 1000";
static_assert(kMaxPageSize == 1000);

class Decoder {
 public:
  Decoder(const Route& route, bool is_export, std::vector<Fault> faults)
      : is_list_(!route.call_id), is_export_(is_export), faults_(std::move(faults)) {
    params_.query.webhook_id = route.webhook_id;
  }

  void decode(const Parameter& parameter) {
    parameter_ = &parameter;
    const auto key = parse_key(parameter.name);
    if (is_export_ && key && std::ranges::find(kNotInExports, key->base) != kNotInExports.end()) {
      return fault(parameter.name + " has no place in an export, which is all selected records and nothing else.");
    }
    const bool known = key && (decode_list_parameter(*key) || decode_document_parameter(*key));
    if (!known) fault(quoted(parameter.name) + " is not a parameter of this endpoint.");
  }

  CallParams finish() {
    constexpr std::uint64_t kMaxOffset = std::uint64_t{1} << 63U;
    const CallQuery& query = params_.query;
    if (query.page_size == 0 && !query.count && !seen_.contains("count_by")) {
      faults_.insert(faults_.begin() + faults_before_size_, must_be(page_size_->name, kPageSizeRule, "0"));
    }
    if (query.page_number - 1 > kMaxOffset / std::max<std::uint64_t>(query.page_size, 1)) {
      faults_.push_back({"page[number] is too large: there is no such page.", page_number_name_});
    }
    place_at_cursor();
    if (!faults_.empty()) throw ApiError(kInvalidParameter, std::move(faults_));
    params_.query.filters = filters_.take();
    return std::move(params_);
  }

 private:
  void fault(std::string detail) { faults_.push_back({std::move(detail), parameter_->name}); }

  void fault_not(std::string_view rule) { faults_.push_back(must_be(parameter_->name, rule, value())); }

  [[nodiscard]] std::string_view value() const { return parameter_->value ? *parameter_->value : std::string_view{}; }

  void once(std::string_view name) {
    if (!seen_.emplace(name).second) fault(parameter_->name + " must not be given more than once.");
  }

  /// Whether the key is one of those that only the list endpoint has.
  bool decode_list_parameter(const ParameterKey& key) {
    if (!is_list_) return false;
    if (key.base == "page" && !key.index && key.member == "number") return decode_page_number(), true;
    if (key.base == "page" && !key.index && key.member == "size") return decode_page_size(), true;
    if (key.base == "page" && !key.index && (key.member == "after" || key.member == "before"))
      return decode_cursor(), true;
    if (key.base == "sort" && !key.member) return decode_sort(), true;
    if (key.base == "count" && !key.member) return decode_count(), true;
    if (key.base == "count_by" && !key.member) return decode_count_by(), true;
    if (key.base != "filter" || !key.member || !is_list_index(key.index)) return false;
    return filters_.decode(*key.member, *parameter_, faults_);
  }

  bool decode_document_parameter(const ParameterKey& key) {
    if (key.base == "fields" && (!key.index || key.index->empty())) return decode_fields(key.member), true;
    const bool plain_or_list = !key.member || (key.member->empty() && !key.index);
    if ((key.base == "included" || key.base == "include") && plain_or_list) return decode_included(), true;
    return false;
  }

  void decode_page_number() {
    once("page[number]");
    page_number_name_ = parameter_->name;
    const auto number = parse_canonical_number(value());
    if (number && *number >= 1) {
      params_.query.page_number = *number;
    } else if (is_whole_number(value()) && value().front() != '0') {
      fault("page[number] is too large: there is no such page.");
    } else {
      fault_not("a whole number from 1");
    }
  }

  void decode_page_size() {
    once("page[size]");
    page_size_ = parameter_;  // what comes yet decides whether it may be 0
    faults_before_size_ = std::ssize(faults_);
    const auto size = parse_canonical_number(value());
    if (size && *size <= kMaxPageSize) {
      params_.query.page_size = *size;
    } else {
      fault_not(kPageSizeRule);
    }
  }

  /// The sort that it must fit may still come.
  void decode_cursor() {
    if (cursor_ != nullptr) return fault(parameter_->name + " cannot be given together with " + cursor_->name + ".");
    cursor_ = parameter_;
    if (parameter_->value) return;
    const bool before = parameter_->name == "page[before]";
    fault_not(before ? "a cursor, or empty for the end of the list"
                     : "a cursor, or empty for the beginning of the list");
  }

  void place_at_cursor() {
    if (cursor_ == nullptr) return;
    if (seen_.contains("page[number]")) {
      faults_.push_back(
          {page_number_name_ + " cannot be given together with " + cursor_->name + ".", page_number_name_});
    }
    if (!cursor_->value) return;
    CallPosition position{.before = cursor_->name == "page[before]"};
    if (!cursor_->value->empty()) {
      auto values = parse_cursor(*cursor_->value, params_.query.sort);
      if (!values) {
        faults_.push_back(
            {cursor_->name + " must be a cursor from a link of a list with the same sort.", cursor_->name});
        return;
      }
      position.values = *std::move(values);
    }
    params_.query.position = std::move(position);
  }

  void decode_count() {
    once("count");
    const auto wanted = parse_bool(value());
    params_.query.count = wanted.value_or(false);
    if (!wanted) fault_not("true or false");
  }

  void decode_count_by() {
    once("count_by");
    const auto by = parse_count_by(value());
    if (!by) return fault_not(kCountByRule);
    params_.query.count_by = *by;
  }

  void decode_sort() {
    once("sort");
    if (value().empty()) return;
    std::vector<SortKey> keys;
    for (std::string_view name : split(value(), ',')) {
      const bool descending = name.starts_with('-');
      const CallFieldRow* field = find_field(name.substr(descending ? 1 : 0));
      if (field == nullptr) {
        fault("sort cannot use " + quoted(name) +
              ": the fields are id, webhook_id, http_code, headers, body and "
              "created_at, each with a - before it to descend.");
      } else if (std::ranges::find(keys, field->field, &SortKey::field) != keys.end()) {
        fault("sort names " + std::string{field->name} + " more than once.");
      } else {
        keys.push_back({field->field, descending});
      }
    }
    params_.query.sort = std::move(keys);
  }

  void decode_fields(const std::optional<std::string_view>& type) {
    if (!type || type->empty()) {
      return fault("fields needs a resource type: fields[" + std::string{kCallType} + "].");
    }
    const bool first = seen_.emplace("fields " + std::string{*type}).second;
    DocumentShape& shape = params_.shape;
    if (first && *type == kCallType) {
      params_.query.fields = {};
      shape.relationships = false;
    } else if (first && *type == kWebhookType) {
      shape.webhook_name = shape.webhook_url = false;
    }
    for (const std::string_view name : split(value(), ',')) {
      if (*type == kWebhookType) {
        shape.webhook_name = shape.webhook_name || name == "name";
        shape.webhook_url = shape.webhook_url || name == "url";
      } else if (*type == kCallType) {
        shape.relationships = shape.relationships || name == "webhook";
        const CallFieldRow* field = find_field(name);
        if (field != nullptr && field->attribute) params_.query.fields.insert(field->field);
      }
    }
  }

  void decode_included() {
    params_.shape.included = true;
    if (value().empty()) return;
    for (const std::string_view name : split(value(), ',')) {
      if (name == "webhook") {
        params_.shape.included_webhook = true;
      } else {
        fault(parameter_->name + " can only be webhook, not " + quoted(name) + ".");
      }
    }
  }

  /// Parameters about pages, and about members that only documents have.
  static constexpr std::array<std::string_view, 5> kNotInExports{"page", "count", "count_by", "include", "included"};

  bool is_list_;
  bool is_export_;
  std::vector<Fault> faults_;
  CallParams params_{};
  const Parameter* parameter_ = nullptr;  ///< the one that is being decoded
  std::string page_number_name_{};
  const Parameter* page_size_ = nullptr;
  std::ptrdiff_t faults_before_size_ = 0;
  const Parameter* cursor_ = nullptr;  ///< page[after] or page[before]
  std::set<std::string, std::less<>> seen_{};
  FilterDecoder filters_{};
};

}  // namespace

CallParams decode_call_params(const QueryString& query_string, const Route& route, bool is_export) {
  Decoder decoder{route, is_export, query_string.faults};
  for (const Parameter& parameter : query_string.parameters) decoder.decode(parameter);
  return decoder.finish();
}

}  // namespace webhook_calls
