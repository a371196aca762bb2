#include "fcgi/query_string.h"

#include <algorithm>
#include <utility>

#include "fcgi/text.h"
#include "fcgi/utf8.h"

namespace webhook_calls {
namespace {

constexpr std::string_view kHexDigits = "0123456789ABCDEF";

/// The value of a hexadecimal digit of either case; empty for another character.
std::optional<unsigned> hex_value(char c) {
  const char upper = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  const auto digit = kHexDigits.find(upper);
  return digit == std::string_view::npos ? std::nullopt : std::optional{static_cast<unsigned>(digit)};
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const auto high = hex_value(text[i + 1]);
      const auto low = hex_value(text[i + 2]);
      if (!high || !low) return std::nullopt;
      decoded += static_cast<char>(*high * 16 + *low);
      i += 2;
    }
  }
  return decoded;
}

/// Why a text cannot be used; empty where it can.
std::string_view fault_of(const std::optional<std::string>& decoded) {
  if (!decoded) return "has a malformed percent-escape";
  if (decoded->find('\0') != std::string::npos) return "has a NUL character";
  if (!is_utf8(*decoded)) return "is not valid UTF-8";
  return {};
}

void percent_encode(std::string& text, std::string_view plain) {
  constexpr std::string_view kPlain = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~,:/";
  for (const char c : plain) {
    if (kPlain.find(c) != std::string_view::npos) {
      text += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      text += '%';
      text += kHexDigits[byte / 16U];
      text += kHexDigits[byte % 16U];
    }
  }
}

}  // namespace

QueryString parse_query_string(std::string_view text) {
  QueryString query;
  for (const std::string_view part : split(text, '&')) {
    if (part.empty()) continue;
    const auto equals = part.find('=');
    const std::string_view raw_name = part.substr(0, equals);
    auto name = percent_decode(raw_name);
    const std::string shown = name.value_or(std::string{raw_name});
    if (const auto fault = fault_of(name); !fault.empty()) {
      query.faults.push_back({"A parameter's name " + std::string{fault} + ".", shown});
      name.reset();
    } else if (name->empty()) {
      query.faults.push_back({"A parameter has no name before its \"=\".", ""});
      name.reset();
    }
    Parameter parameter{shown};
    if (equals != std::string_view::npos) {
      auto value = percent_decode(part.substr(equals + 1));
      if (const auto fault = fault_of(value); !fault.empty()) {
        query.faults.push_back({"The value of " + shown + " " + std::string{fault} + ".", shown});
        continue;
      }
      parameter.value = std::move(value);
    }
    if (name) query.parameters.push_back(std::move(parameter));
  }
  return query;
}

std::optional<ParameterKey> parse_key(std::string_view name) {
  ParameterKey key{name.substr(0, name.find('['))};
  name.remove_prefix(key.base.size());
  for (auto* part : {&key.member, &key.index}) {
    if (name.empty()) return key;
    const auto end = name.find(']');
    if (name.front() != '[' || end == std::string_view::npos) return std::nullopt;
    *part = name.substr(1, end - 1);
    name.remove_prefix(end + 1);
  }
  return name.empty() ? std::optional{key} : std::nullopt;
}

std::string build_query_string(const std::vector<Parameter>& parameters) {
  std::string text;
  for (const Parameter& parameter : parameters) {
    if (!text.empty()) text += '&';
    percent_encode(text, parameter.name);
    if (!parameter.value) continue;
    text += '=';
    percent_encode(text, *parameter.value);
  }
  return text;
}

}  // namespace webhook_calls
