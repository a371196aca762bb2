#include "fcgi/csv.h"
#include "fcgi/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/asked.h"
#include "tests/unit/recording.h"
#include "tests/unit/reference_utf8.h"

/// Recorded headers and a body, a line each, in a table: a reader of RFC 4180 gets back what was recorded, however it
/// was read from the database, and no cell could be a formula.
namespace webhook_calls {
namespace {

using Line = std::vector<std::optional<std::string>>;  // an empty cell is not an empty text

/// Takes a cell from the front of the table, and tells whether it is the last one of its line.
bool take_cell(std::string_view& table, Line& line) {
  if (table.starts_with('"')) {
    std::string text;
    for (table.remove_prefix(1); !table.starts_with('"') || table.starts_with("\"\""); table.remove_prefix(1)) {
      require(!table.empty(), "a quoted cell has its end");
      if (table.starts_with('"')) table.remove_prefix(1);
      text += table.front();
    }
    table.remove_prefix(1);
    line.emplace_back(std::move(text));
  } else {
    const std::string_view text = table.substr(0, table.find_first_of(",\r\n\""));
    table.remove_prefix(text.size());
    line.push_back(text.empty() ? std::nullopt : std::optional<std::string>{text});
  }
  const bool last = table.starts_with("\r\n");
  require(last || table.starts_with(','), "a cell ends at a comma or a line's end");
  table.remove_prefix(last ? 2 : 1);
  return last;
}

std::string written(const Asked& asked, const CallRow& row, std::size_t piece) {
  Recording output;
  Response response{output, false};
  ListedRows rows{{row, row}, false, piece};
  require(write_call_table(response, asked.request(), rows) == 2, "both written");
  response.finish();
  return output.text.substr(output.text.find("\r\n\r\n") + 4);
}

void check_text(const std::optional<std::string>& cell, const std::string& recorded) {
  require(cell.has_value(), "a text is never an empty cell");
  std::string_view text = *cell;
  require(text.empty() || std::string_view{"=+-@\t\r\n"}.find(text.front()) == std::string_view::npos, "no formula");
  if (text.starts_with('\'')) text.remove_prefix(1);
  std::string expected;
  for (const char c : reference_utf8(recorded)) c == '\0' ? expected += "\xEF\xBF\xBD" : expected += c;
  require(text == expected, "what was recorded");
}

}  // namespace

void run(std::string_view input) {
  const std::string headers{take_until(input, '\n')}, body{input};
  const CallRow row{.id = 1842, .http_code = 200, .headers = headers, .body = body, .created_at = "now"};
  const Asked asked{""};
  const std::string whole = written(asked, row, std::string::npos);
  require(written(asked, row, 1 + body.size() / 5) == whole, "a table is the same however its texts are read");
  require(is_utf8(whole), "UTF-8");
  std::string_view rest = whole;
  for (int number = 0; number < 3; ++number) {
    Line line;
    while (!take_cell(rest, line)) require(line.size() < 6, "six cells a line");
    require(line.size() == 6, "six cells a line");
    if (number == 0) continue;
    require(line[0] == "1842" && line[1] == "7" && line[2] == "200" && line[5] == "now", "the plain cells");
    check_text(line[3], headers);
    check_text(line[4], body);
  }
  require(rest.empty(), "three lines");
}

}  // namespace webhook_calls
