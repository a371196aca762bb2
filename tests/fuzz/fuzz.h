#pragma once

#include <rapidjson/document.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace webhook_calls {

/// Ends the run where a property does not hold; libFuzzer then keeps the input.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

/// What the text says, which has to be JSON in UTF-8.
inline rapidjson::Document json_of(std::string_view text) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  require(!document.HasParseError(), "JSON in UTF-8");
  return document;
}

inline std::string_view text_of(const rapidjson::Value& value) { return {value.GetString(), value.GetStringLength()}; }

/// The input up to the first separator, which goes too; all of it where there is none.
inline std::string_view take_until(std::string_view& input, char separator) {
  const std::string_view part = input.substr(0, input.find(separator));
  input.remove_prefix(std::min(part.size() + 1, input.size()));
  return part;
}

/// What each target defines: one input.
void run(std::string_view input);

}  // namespace webhook_calls

// NOLINTNEXTLINE(misc-definitions-in-headers): one target is one file
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  webhook_calls::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
