#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "fcgi/json_writer.h"
#include "fcgi/utf8.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/reference_utf8.h"

/// Recorded bytes, against the reference decoder and RapidJSON's writer and reader. A short one that begins with # also
/// stands across the end of a slice.
namespace webhook_calls {
namespace {

struct ReadText : rapidjson::BaseReaderHandler<rapidjson::UTF8<>, ReadText> {
  // NOLINTNEXTLINE(readability-identifier-naming): RapidJSON's name
  bool String(const char* text, rapidjson::SizeType length, bool) {
    value.assign(text, length);
    return true;
  }
  std::string value{};
};

/// As a writer makes it of pieces.
std::string in_pieces(std::string_view bytes, std::size_t size) {
  std::string json;
  JsonWriter writer{json};
  writer.text(bytes.substr(0, size), [&](std::uint64_t offset) { return std::string{bytes.substr(offset, size)}; });
  return json;
}

void check(std::string_view bytes) {
  std::string json = "\"";
  for (std::string_view rest = bytes; !rest.empty();) {
    std::string slice;
    const std::size_t taken = append_json_text(slice, rest);
    require(taken >= 1 && taken <= rest.size() && taken <= (64U << 10U) + 31 + 3, "a slice of the text");
    require(is_utf8(slice), "slices are whole characters");
    json += slice;
    rest.remove_prefix(taken);
  }
  json += '"';
  for (const std::size_t size : {std::size_t{3}, bytes.size() / 2 + 1}) {
    require(in_pieces(bytes, size) == json, "a text is the same however it is read");
  }
  const std::string expected = reference_utf8(bytes);
  require(is_utf8(bytes) == (bytes == expected), "is_utf8() agrees with the reference");

  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer{buffer};
  writer.String(expected.data(), static_cast<rapidjson::SizeType>(expected.size()));
  require(json == std::string_view{buffer.GetString(), buffer.GetSize()}, "RapidJSON writes the repaired text so");

  rapidjson::MemoryStream stream{json.data(), json.size()};
  ReadText text;
  rapidjson::Reader reader;
  require(!reader.Parse<rapidjson::kParseValidateEncodingFlag>(stream, text).IsError() && text.value == expected,
          "RapidJSON reads the repaired text back");
}

}  // namespace

void run(std::string_view input) {
  check(input);
  if (input.starts_with('#') && input.size() <= 8) check(std::string((64U << 10U) - 4, 'x').append(input));
}

}  // namespace webhook_calls
