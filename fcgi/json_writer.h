#pragma once

#include <rapidjson/writer.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fcgi/json_text.h"
#include "fcgi/response.h"
#include "fcgi/text_parts.h"

namespace webhook_calls {

/// RapidJSON's output stream concept over a string.
class JsonSink {
 public:
  using Ch = char;  // NOLINT(readability-identifier-naming): RapidJSON's name
  explicit JsonSink(std::string& out) : out_(&out) {}
  void Put(char c) { out_->push_back(c); }  // NOLINT(readability-identifier-naming)
  void Flush() {}                           // NOLINT(readability-identifier-naming)
  [[nodiscard]] std::string& out() { return *out_; }

 private:
  std::string* out_;
};

/// Writes compact JSON, the structure by RapidJSON and the texts by append_json_text(), which repairs them to be UTF-8
/// (RapidJSON would stop in the middle of them) and lets a long one flow on to the client before it is whole.
class JsonWriter : private rapidjson::Writer<JsonSink> {
 public:
  /// `out` or `response` must outlive the writer.
  explicit JsonWriter(std::string& out) : Writer(sink_), sink_(out) {}
  explicit JsonWriter(Response& response) : Writer(sink_), sink_(response.body()), response_(&response) {}

  /// What follows is another document.
  void begin_again() { Reset(sink_); }
  void begin_object() { StartObject(); }
  void end_object() { EndObject(); }
  void begin_array() { StartArray(); }
  void end_array() { EndArray(); }
  /// A name of ours, in which nothing needs an escape.
  void name(std::string_view plain) {
    Prefix(rapidjson::kStringType);
    sink_.out().append(1, '"').append(plain).append(1, '"');
  }
  void number(std::uint64_t value) { Uint64(value); }
  /// A value that is JSON already.
  void raw(std::string_view json) {
    Prefix(rapidjson::kObjectType);
    sink_.out() += json;
  }
  void null() { Null(); }

  void text(std::string_view text) {
    begin_text();
    flow_text(text);
    sink_.Put('"');
  }

  /// A text that begins with `piece`: `text_from(n)` gives as a string what follows its first n bytes, or the beginning
  /// of that; an empty one where nothing does. No more of it is pulled than somebody wants.
  template <typename Function>
  void text(std::string_view piece, Function text_from) {
    begin_text();
    const auto pull = [&](std::uint64_t offset) {
      return response_ == nullptr || response_->wants_more() ? text_from(offset) : std::string{};
    };
    for_each_part(piece, pull, [this](std::string_view part) { flow_text(part); });
    sink_.Put('"');
  }

  void member(std::string_view name, std::string_view value) {
    this->name(name);
    text(value);
  }
  void member(std::string_view name, std::uint64_t value) {
    this->name(name);
    number(value);
  }

 private:
  void begin_text() {
    Prefix(rapidjson::kStringType);
    sink_.Put('"');
  }

  void flow_text(std::string_view text) {
    while (!text.empty()) {
      text.remove_prefix(append_json_text(sink_.out(), text));
      if (response_ != nullptr) response_->flow();
    }
  }

  JsonSink sink_;
  Response* response_ = nullptr;
};

}  // namespace webhook_calls
