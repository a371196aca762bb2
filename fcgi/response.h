#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace webhook_calls {

/// Where a response's bytes go, in the form that CGI defines (RFC 3875, 6): header fields and an empty line, which are
/// the head, then the body.
class ResponseOutput {
 public:
  ResponseOutput() = default;
  ResponseOutput(const ResponseOutput&) = delete;
  ResponseOutput& operator=(const ResponseOutput&) = delete;
  virtual ~ResponseOutput() = default;

  /// Writes both. `head`: empty in all writes but the first. `last`: the response ends here; without such a write it is
  /// cut short. False where nobody takes the bytes any more. Waits while the receiver is busy.
  virtual bool write(std::string_view head, std::string_view body, bool last) = 0;

  /// Drops what was written, where all of it is still here. False where a part may have been sent, which stays.
  virtual bool take_back() { return false; }
};

/// A response in the making. A body that fits in kHeldBytes is sent with its length when it is finished, and can be
/// replaced until then; a larger one is sent as it grows, in pieces of that size.
class Response {
 public:
  static constexpr std::size_t kHeldBytes = 640U << 10U;

  /// `output` must outlive the response. `head`: the request is a HEAD, so that no body is sent.
  Response(ResponseOutput& output, bool head) : output_(&output), head_(head) {}

  /// Drops status, header fields and body. False where a part of the response was sent: then it stays as it is.
  bool reset();
  void set_status(int status) { status_ = status; }
  void add_header(std::string_view name, std::string_view value);

  /// The head tells no length, however small the body is: for one that is not made for a HEAD.
  void hide_length() { with_length_ = false; }

  /// What is appended here becomes part of the body with the next call of flow() or finish().
  [[nodiscard]] std::string& body() { return body_; }
  /// Sends on, where the body has grown large. To be called often enough that memory stays small.
  void flow() {
    if (body_.size() > kHeldBytes) send(false);
    // At once what may be needed: a string that grows by itself would take twice as much.
    if (body_.size() > kSmallBytes && body_.capacity() < kHeldBytes) body_.reserve(kHeldBytes + kSmallBytes);
  }
  /// Sends all that is left.
  void finish() { send(true); }

  [[nodiscard]] bool is_for_head() const { return head_; }
  [[nodiscard]] bool started() const { return started_; }  ///< its first byte was written
  [[nodiscard]] bool client_gone() const { return client_gone_; }
  [[nodiscard]] bool wants_more() const { return !client_gone_ && !(head_ && started_); }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }  ///< of the body, as far as it was sent

 private:
  static constexpr std::size_t kSmallBytes = 64U << 10U;

  void send(bool last);
  [[nodiscard]] std::string make_head(bool with_length) const;

  ResponseOutput* output_;
  bool head_;
  bool with_length_ = true;
  int status_ = 200;
  std::string headers_{};
  std::string body_{};
  std::uint64_t bytes_ = 0;
  bool started_ = false;
  bool client_gone_ = false;
};

}  // namespace webhook_calls
