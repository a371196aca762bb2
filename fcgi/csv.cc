#include "fcgi/csv.h"

#include <algorithm>
#include <cstring>

#include "fcgi/text_parts.h"
#include "fcgi/utf8.h"

namespace webhook_calls {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

/// Whether the byte is copied as it is, without a second look.
bool is_plain(char byte) { return byte != '"' && byte != '\0' && static_cast<unsigned char>(byte) < 0x80; }

/// The first byte from `at` on, before `end`, that is not plain. Most are, so that eight are looked at together.
std::size_t end_of_plain(std::string_view text, std::size_t at, std::size_t end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  for (std::uint64_t word = 0; at + sizeof word <= end; at += sizeof word) {
    std::memcpy(&word, &text[at], sizeof word);
    const std::uint64_t special = word | (word - kOnes) | ((word ^ kOnes * '"') - kOnes);
    if ((special & kOnes * 0x80) != 0) break;  // in each byte the highest bit; behind a special one, it means nothing
  }
  while (at < end && is_plain(text[at])) ++at;
  return at;
}

class TableWriter {
 public:
  TableWriter(Response& response, const CallRequest& request) : response_(response), request_(request) {}

  void write_header() {
    std::string& out = response_.body();
    for (const CallFieldRow& field : kCallFields) {
      if (!has(field)) continue;
      if (field.field != CallField::id) out += ',';
      out += field.name;
    }
    out += kLineEnd;
  }

  void write_record(const CallRow& row, CallRows& rows) {
    for (const CallFieldRow& field : kCallFields) {
      if (has(field)) write_cell(field.field, row, rows);
    }
    response_.flow();  // one that fails midway ends inside a line
    response_.body() += kLineEnd;
  }

 private:
  [[nodiscard]] bool has(const CallFieldRow& field) const {
    if (field.field == CallField::id) return true;
    if (field.field == CallField::webhook_id) return request_.params.shape.relationships;
    return request_.params.query.fields.has(field.field);
  }

  void write_cell(CallField field, const CallRow& row, CallRows& rows) {
    std::string& out = response_.body();
    if (field != CallField::id) out += ',';
    switch (field) {
      case CallField::id:
        out += std::to_string(row.id);
        return;
      case CallField::webhook_id:
        out += std::to_string(request_.webhook.id);
        return;
      case CallField::http_code:
        if (row.http_code) out += std::to_string(*row.http_code);
        return;
      case CallField::headers:
        return write_text(field, row.headers, rows);
      case CallField::body:
        return write_text(field, row.body, rows);
      case CallField::created_at:
        out += row.created_at;
        return;
    }
  }

  void write_text(CallField field, const std::optional<std::string>& text, CallRows& rows) {
    if (!text) return;
    std::string& out = response_.body();
    out += '"';
    if (needs_mark(*text)) out += '\'';
    const auto pull = [&](std::uint64_t offset) {
      return response_.wants_more() ? rows.text_from(field, offset) : std::string{};
    };
    for_each_part(*text, pull, [&](std::string_view part) {
      while (!part.empty()) {
        part.remove_prefix(append_csv_text(out, part));
        response_.flow();
      }
    });
    out += '"';
  }

  Response& response_;
  const CallRequest& request_;
};

}  // namespace

bool needs_mark(std::string_view text) {
  // Those that OWASP's "CSV Injection" names, and the mark itself.
  constexpr std::string_view kSuspicious = "=+-@\t\r\n'";
  return !text.empty() && kSuspicious.find(text.front()) != std::string_view::npos;
}

std::size_t append_csv_text(std::string& out, std::string_view text) {
  constexpr std::size_t kSliceBytes = 64U << 10U;
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  const std::size_t end = std::min(text.size(), kSliceBytes);
  std::size_t at = 0, copied = 0;
  const auto copy = [&] { out.append(text, copied, at - copied); };
  while (at < end) {
    at = end_of_plain(text, at, end);
    if (at == end) break;
    if (text[at] == '"') {
      copy();
      out += '"';
      copied = at++;
    } else {
      const Utf8Unit unit = text[at] == '\0' ? Utf8Unit{1, false} : read_utf8(text.substr(at));
      if (!unit.valid) {
        copy();
        out += kReplacement;
        copied = at + unit.length;
      }
      at += unit.length;
    }
  }
  copy();
  return at;
}

std::uint64_t write_call_table(Response& response, const CallRequest& request, CallRows& rows) {
  TableWriter table{response, request};
  table.write_header();
  std::uint64_t written = 0;
  for (const CallRow* row = rows.next(); row != nullptr; row = rows.next()) {
    table.write_record(*row, rows);
    ++written;
    if (!response.wants_more()) break;
  }
  return written;
}

}  // namespace webhook_calls
