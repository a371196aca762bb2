#include "fcgi/cursor.h"

#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>

#include "fcgi/date_time.h"
#include "fcgi/sha256.h"
#include "sql/call_order.h"

namespace webhook_calls {
namespace {

constexpr std::size_t kDigestDigits = 8;

/// What the digest protects, beside the values.
std::string name_of_sort(const std::vector<SortKey>& order) {
  std::string name;
  for (const SortKey& key : order) name.append(key.descending ? "-" : "+").append(row_of(key.field).name);
  return name;
}

std::string digest_of(std::string_view values, const std::vector<SortKey>& order) {
  return sha256_hex(name_of_sort(order).append(1, '\n').append(values)).substr(0, kDigestDigits);
}

std::string encode_base64url(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');                 // OpenSSL ends it with a NUL
  const auto* from = reinterpret_cast<const unsigned char*>(bytes.data());  // NOLINT: OpenSSL's type of a byte
  auto* to = reinterpret_cast<unsigned char*>(text.data());                 // NOLINT
  text.resize(static_cast<std::size_t>(EVP_EncodeBlock(to, from, static_cast<int>(bytes.size()))));
  text.resize(std::min(text.size(), text.find('=')));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

/// What encode_base64url() made of bytes; other texts become some bytes, or none.
std::string decode_base64url(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  const std::size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  std::string bytes(text.size() / 4 * 3, '\0');
  const auto* from = reinterpret_cast<const unsigned char*>(text.data());  // NOLINT: OpenSSL's type of a byte
  auto* to = reinterpret_cast<unsigned char*>(bytes.data());               // NOLINT
  const int decoded = EVP_DecodeBlock(to, from, static_cast<int>(text.size()));
  bytes.resize(decoded < 0 ? 0 : static_cast<std::size_t>(decoded) - std::min<std::size_t>(padding, 2));
  return bytes;
}

void append_number(std::string& bytes, std::uint64_t number, unsigned count) {
  for (unsigned i = count; i > 0; --i) bytes += static_cast<char>(number >> 8U * (i - 1) & 0xFFU);
}

/// Takes bytes from the front of `text`; empty where there are fewer.
std::optional<std::string_view> take(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  const std::string_view taken = text.substr(0, count);
  text.remove_prefix(count);
  return taken;
}

std::optional<std::uint64_t> take_number(std::string_view& text, unsigned count) {
  const auto bytes = take(text, count);
  if (!bytes) return std::nullopt;
  std::uint64_t number = 0;
  for (const char byte : *bytes) number = number << 8U | static_cast<unsigned char>(byte);
  return number;
}

// Before each value stands how many bytes the number has that follows: the value, or a text's length. 0 is null.
constexpr unsigned kNumberBytes = 8, kLengthBytes = 2;

void append_value(std::string& bytes, const std::optional<BindValue>& value, ValueType type) {
  if (!value) return append_number(bytes, 0, 1);
  if (const auto* number = std::get_if<std::uint64_t>(&*value)) {
    append_number(bytes, kNumberBytes, 1);
    return append_number(bytes, *number, kNumberBytes);
  }
  const auto& text = std::get<std::string>(*value);
  if (const auto instant = type == ValueType::instant ? parse_date_time(text) : std::nullopt) {
    return append_value(bytes, static_cast<std::uint64_t>(instant->unix_ms), ValueType::number);
  }
  append_number(bytes, kLengthBytes, 1);
  append_number(bytes, text.size(), kLengthBytes);
  bytes += text;
}

/// A value that the field can have, as the database compares it; false where there is none.
bool take_value(std::string_view& bytes, const CallFieldRow& field, std::optional<BindValue>& value) {
  const auto kind = take_number(bytes, 1);
  if (kind == 0) return field.nullable;
  const unsigned expected = field.type == ValueType::text ? kLengthBytes : kNumberBytes;
  const auto number = kind == expected ? take_number(bytes, expected) : std::nullopt;
  if (!number) return false;
  if (field.type == ValueType::number) {
    value = *number;
  } else if (field.type == ValueType::instant) {
    value = to_sql_datetime(static_cast<std::int64_t>(*number));
  } else if (const auto text = take(bytes, *number)) {
    value = std::string{*text};
  }
  return value.has_value();
}

}  // namespace

std::string make_cursor(const SortValues& values, const std::vector<SortKey>& sort) {
  const std::vector<SortKey> order = total_order(sort);
  std::string bytes;
  for (std::size_t i = 0; i < values.size(); ++i) append_value(bytes, values[i], row_of(order[i].field).type);
  return encode_base64url(digest_of(bytes, order) + bytes);
}

std::optional<SortValues> parse_cursor(std::string_view cursor, const std::vector<SortKey>& sort) {
  const std::vector<SortKey> order = total_order(sort);
  const std::string bytes = decode_base64url(std::string{cursor});
  if (encode_base64url(bytes) != cursor) return std::nullopt;  // each record has one cursor
  std::string_view rest = bytes;
  const auto digest = take(rest, kDigestDigits);
  if (!digest || *digest != digest_of(rest, order)) return std::nullopt;
  SortValues values(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (!take_value(rest, row_of(order[i].field), values[i])) return std::nullopt;
  }
  if (!rest.empty()) return std::nullopt;
  return values;
}

}  // namespace webhook_calls
