#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "sql/statement.h"

namespace webhook_calls {

/// What a client may sort and filter by, and read. The order is that of kCallFields and of the attributes in a
/// document.
enum class CallField : std::uint8_t { id, webhook_id, http_code, headers, body, created_at };

enum class ValueType : std::uint8_t { number, text, instant };

/// The one row that defines a field.
struct CallFieldRow {
  CallField field;
  std::string_view name;  ///< in JSON and in the query string
  Sql column;             ///< of webhook_calls, which every statement calls c
  ValueType type;
  bool attribute;  ///< stands under `attributes`
  bool nullable;   ///< null where no HTTP response arrived
  bool ranges;     ///< filter[NAME__lt], __lte, __gt, __gte exist
};

inline constexpr std::array kCallFields{
    CallFieldRow{CallField::id, "id", "c.id", ValueType::number, false, false, false},
    CallFieldRow{CallField::webhook_id, "webhook_id", "c.webhook_id", ValueType::number, false, false, false},
    CallFieldRow{CallField::http_code, "http_code", "c.http_code", ValueType::number, true, true, true},
    CallFieldRow{CallField::headers, "headers", "c.headers", ValueType::text, true, true, false},
    CallFieldRow{CallField::body, "body", "c.body", ValueType::text, true, true, false},
    CallFieldRow{CallField::created_at, "created_at", "c.created_at", ValueType::instant, true, false, true},
};

[[nodiscard]] constexpr const CallFieldRow& row_of(CallField field) {
  return kCallFields[static_cast<std::size_t>(field)];
}

/// nullptr where no field has that name.
[[nodiscard]] constexpr const CallFieldRow* find_field(std::string_view name) {
  for (const CallFieldRow& row : kCallFields) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

/// A set of fields.
class FieldSet {
 public:
  constexpr FieldSet() = default;

  [[nodiscard]] static constexpr FieldSet all_attributes() {
    FieldSet set;
    for (const CallFieldRow& row : kCallFields) {
      if (row.attribute) set.insert(row.field);
    }
    return set;
  }

  constexpr void insert(CallField field) { bits_ |= bit(field); }
  [[nodiscard]] constexpr bool has(CallField field) const { return (bits_ & bit(field)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  /// headers or body: the fields that no index covers and whose size is not bounded
  [[nodiscard]] constexpr bool has_contents() const { return has(CallField::headers) || has(CallField::body); }

  friend constexpr bool operator==(FieldSet, FieldSet) = default;

 private:
  static constexpr unsigned bit(CallField field) { return 1U << static_cast<unsigned>(field); }
  unsigned bits_ = 0;
};

}  // namespace webhook_calls
