#pragma once

#include <rapidjson/writer.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "fcgi/json_text.h"
#include "fcgi/response.h"
#include "fcgi/utf8.h"

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
    std::string held;  // what `piece` shows, from the second one on
    std::uint64_t offset = piece.size();
    while (!piece.empty()) {
      const std::size_t whole = piece.size() - open_end(piece);
      flow_text(piece.substr(0, whole));
      piece.remove_prefix(whole);
      std::string next = response_ == nullptr || response_->wants_more() ? text_from(offset) : std::string{};
      if (next.empty()) break;
      offset += next.size();
      next.insert(0, piece);
      held = std::move(next);
      piece = held;
    }
    flow_text(piece);
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
