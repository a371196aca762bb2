#include <cctype>
#include <optional>

#include "fcgi/query_string.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/reference_utf8.h"

/// The parts of a query string, against a plain decoder; building is the reverse of parsing.
namespace webhook_calls {
namespace {

std::optional<std::string> decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const std::string digits{text.substr(i + 1, 2)};
    if (digits.size() != 2 || std::isxdigit(digits[0]) == 0 || std::isxdigit(digits[1]) == 0) return std::nullopt;
    plain += static_cast<char>(std::stoi(digits, nullptr, 16));
    i += 2;
  }
  return plain;
}

bool usable(const std::optional<std::string>& text) {
  return text && text->find('\0') == std::string::npos && reference_utf8(*text) == *text;
}

}  // namespace

void run(std::string_view input) {
  const QueryString parsed = parse_query_string(input);
  std::vector<Parameter> parameters;
  std::vector<std::string> faulty;
  for (std::string_view rest = input; !rest.empty();) {
    std::string_view part = take_until(rest, '&');
    if (part.empty()) continue;
    const bool has_value = part.find('=') != std::string_view::npos;
    const std::string_view raw_name = take_until(part, '=');
    const auto name = decoded(raw_name), value = decoded(part);
    const std::string shown = name.value_or(std::string{raw_name});
    const bool good_name = usable(name) && !name->empty(), good_value = !has_value || usable(value);
    if (!good_name) faulty.push_back(shown);
    if (!good_value) faulty.push_back(shown);
    if (good_name && good_value) parameters.push_back({shown, has_value ? value : std::nullopt});
  }
  require(parsed.parameters == parameters, "the parameters that were sent");
  require(std::ranges::equal(parsed.faults, faulty, {}, &Fault::parameter), "faults name what was sent, in its order");

  const std::string built = build_query_string(parsed.parameters);
  const QueryString again = parse_query_string(built);
  require(again.faults.empty() && again.parameters == parameters, "parsing what was built gives the parameters");
  require(build_query_string(again.parameters) == built, "building is stable");
  for (const char c : built) require(c > ' ' && c < 127 && c != '"' && c != '<' && c != '\\', "a link is plain ASCII");
}

}  // namespace webhook_calls
