#include "fcgi/fcgi_exchange.h"

#include <fastcgi.h>
#include <fcgiapp.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace webhook_calls {
namespace {

/// Writes all parts, however the kernel divides them; false where the receiver has gone.
bool write_all(int descriptor, std::vector<iovec> parts) {
  constexpr std::size_t kMaxParts = 64;  // less than any system's IOV_MAX
  std::size_t first = 0;
  while (first < parts.size()) {
    const auto count = static_cast<int>(std::min(parts.size() - first, kMaxParts));
    const ssize_t result = ::writev(descriptor, &parts[first], count);
    if (result < 0 && errno == EINTR) continue;
    if (result < 0) return false;
    auto written = static_cast<std::size_t>(result);
    for (; first < parts.size() && written >= parts[first].iov_len; ++first) written -= parts[first].iov_len;
    if (written == 0) continue;
    parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + written;
    parts[first].iov_len -= written;
  }
  return true;
}

iovec part_of(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};  // NOLINT(cppcoreguidelines-pro-type-const-cast): only read
}

/// Writes FastCGI's STDOUT records itself: libfcgi's stream makes one write for each 8 KiB.
class FastCgiOutput : public ResponseOutput {
 public:
  explicit FastCgiOutput(const FCGX_Request& request) : request_(request) {}

  bool write(std::string_view bytes) override {
    constexpr std::size_t kRecordBytes = 65528;  // the largest length of a record that is a multiple of 8
    std::vector<std::array<char, FCGI_HEADER_LEN>> headers;
    headers.reserve(bytes.size() / kRecordBytes + 1);
    std::vector<iovec> parts;
    while (!bytes.empty()) {
      const std::string_view content = bytes.substr(0, kRecordBytes);
      const auto byte = [](std::size_t value) { return static_cast<char>(value & 0xFFU); };
      const auto id = static_cast<std::size_t>(request_.requestId);
      headers.push_back({FCGI_VERSION_1, FCGI_STDOUT, byte(id >> 8U), byte(id), byte(content.size() >> 8U),
                         byte(content.size()), 0, 0});
      parts.push_back(part_of({headers.back().data(), headers.back().size()}));
      parts.push_back(part_of(content));
      bytes.remove_prefix(content.size());
    }
    return write_all(request_.ipcFd, std::move(parts));
  }

 private:
  const FCGX_Request& request_;
};

class CgiOutput : public ResponseOutput {
 public:
  bool write(std::string_view bytes) override { return write_all(STDOUT_FILENO, {part_of(bytes)}); }
};

/// A parameter's value in `NAME=value` pairs. A header field that the client sent twice stands there twice.
std::string find_parameter(const char* const* pairs, std::string_view name) {
  std::string value;
  for (; *pairs != nullptr; ++pairs) {
    const std::string_view pair{*pairs};
    if (!pair.starts_with(name) || pair.substr(name.size(), 1) != "=") continue;
    if (!value.empty()) value += ", ";
    value += pair.substr(name.size() + 1);
  }
  return value;
}

int serve_cgi(const Handler& handler) {
  CgiOutput output;
  const Request request = read_request([](std::string_view name) { return find_parameter(environ, name); });
  return handler(request, output) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/// Owns the state of one request after the other.
class FastCgiRequest {
 public:
  FastCgiRequest() {
    if (FCGX_Init() != 0 || FCGX_InitRequest(&request_, 0, FCGI_FAIL_ACCEPT_ON_INTR) != 0) {
      throw std::runtime_error("libfcgi cannot be initialised");
    }
  }
  FastCgiRequest(const FastCgiRequest&) = delete;
  FastCgiRequest& operator=(const FastCgiRequest&) = delete;
  ~FastCgiRequest() { FCGX_Free(&request_, 1); }

  bool accept() { return FCGX_Accept_r(&request_) >= 0; }

  void answer(const Handler& handler) {
    FastCgiOutput output{request_};
    const Request request = read_request([this](std::string_view name) { return find_parameter(request_.envp, name); });
    if (handler(request, output)) {
      FCGX_Finish_r(&request_);
    } else {
      FCGX_Free(&request_, 1);  // closes the connection without END_REQUEST
    }
  }

 private:
  FCGX_Request request_{};
};

}  // namespace

bool has_requests() { return FCGX_IsCGI() == 0 || std::getenv("REQUEST_METHOD") != nullptr; }

int serve_requests(const Handler& handler) {
  if (FCGX_IsCGI() != 0) return serve_cgi(handler);
  FastCgiRequest request;
  while (request.accept()) request.answer(handler);
  return EXIT_SUCCESS;
}

}  // namespace webhook_calls
