#include "fcgi/fcgi_exchange.h"

#include <fastcgi.h>
#include <fcgiapp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "fcgi/listener.h"

namespace webhook_calls {
namespace {

/// Writes all parts, however the kernel divides them; false where the receiver has gone, or hangs.
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

/// Writes FastCGI's records itself: libfcgi's stream makes one write for each 8 KiB.
class FastCgiOutput : public ResponseOutput {
 public:
  explicit FastCgiOutput(const FCGX_Request& request) : request_(request) {}

  bool write(std::string_view head, std::string_view body, bool last) override {
    constexpr std::size_t kRecordBytes = 65528;  // the largest length of a record that is a multiple of 8
    constexpr std::array<char, sizeof(FCGI_EndRequestBody)> kComplete{};  // FCGI_REQUEST_COMPLETE, exit code 0
    std::vector<RecordHeader> headers;
    headers.reserve(body.size() / kRecordBytes + 4);  // the parts point to them
    std::vector<iovec> parts;
    const auto add = [&](int type, std::string_view content) {
      headers.push_back(header_of(type, content.size()));
      parts.push_back(part_of({headers.back().data(), headers.back().size()}));
      if (!content.empty()) parts.push_back(part_of(content));
    };
    if (!head.empty()) add(FCGI_STDOUT, head);
    for (; !body.empty(); body.remove_prefix(std::min(body.size(), kRecordBytes))) {
      add(FCGI_STDOUT, body.substr(0, kRecordBytes));
    }
    if (last) {
      add(FCGI_STDOUT, {});  // the stream's end
      add(FCGI_END_REQUEST, {kComplete.data(), kComplete.size()});
    }
    return write_all(request_.ipcFd, std::move(parts));
  }

 private:
  using RecordHeader = std::array<char, FCGI_HEADER_LEN>;

  [[nodiscard]] RecordHeader header_of(int type, std::size_t length) const {
    const auto byte = [](auto value) { return static_cast<char>(static_cast<unsigned>(value) & 0xFFU); };
    const auto id = static_cast<unsigned>(request_.requestId);
    return {FCGI_VERSION_1, byte(type), byte(id >> 8U), byte(id), byte(length >> 8U), byte(length), 0, 0};
  }

  const FCGX_Request& request_;
};

/// Web servers take the end of a CGI program's output for the end of its answer, however it came. So each answer tells
/// its length; one that grows large waits in a temporary file until it is whole.
class CgiOutput : public ResponseOutput {
 public:
  bool write(std::string_view head, std::string_view body, bool last) override {
    if (last && !file_) return write_all(STDOUT_FILENO, {part_of(head), part_of(body)});
    if (!file_) {
      file_.reset(std::tmpfile());  // NOLINT(cppcoreguidelines-owning-memory): the pointer owns it
      if (!file_) throw std::runtime_error("there is no temporary file to be had");
      head_ = head.substr(0, head.size() - 2);  // without the empty line
    }
    if (std::fwrite(body.data(), 1, body.size(), file_.get()) != body.size()) {
      throw std::runtime_error("the temporary file cannot be written");
    }
    return !last || send_file();
  }

  bool take_back() override {
    file_.reset();
    return true;
  }

 private:
  bool send_file() {
    if (std::fflush(file_.get()) != 0) throw std::runtime_error("the temporary file cannot be written");
    const long length = std::ftell(file_.get());
    std::rewind(file_.get());
    std::string piece = head_;
    if (length > 0) piece += "Content-Length: " + std::to_string(length) + "\r\n";  // else the answer to a HEAD
    piece += "\r\n";
    while (!piece.empty()) {
      if (!write_all(STDOUT_FILENO, {part_of(piece)})) return false;
      piece.resize(Response::kHeldBytes);
      piece.resize(std::fread(piece.data(), 1, piece.size(), file_.get()));
    }
    return true;
  }

  struct Close {
    // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the pointer's
    void operator()(std::FILE* file) const { (void)std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::string head_;
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
  (void)std::signal(SIGPIPE, SIG_IGN);  // a client that leaves is for the log
  CgiOutput output;
  Request request = read_request([](std::string_view name) { return find_parameter(environ, name); });
  request.exports = false;  // the file would hold a whole log, and the client would wait for it
  return handler(request, output) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/// Owns the state of one request after the other.
class FastCgiRequest {
 public:
  FastCgiRequest() {
    constexpr int kNoSocket = -1;  // libfcgi accepts nothing itself
    if (FCGX_Init() != 0 || FCGX_InitRequest(&request_, kNoSocket, 0) != 0) {
      throw std::runtime_error("libfcgi cannot be initialised");
    }
  }
  FastCgiRequest(const FastCgiRequest&) = delete;
  FastCgiRequest& operator=(const FastCgiRequest&) = delete;
  ~FastCgiRequest() { FCGX_Free(&request_, 1); }

  /// False where there is no request on the connection, which is then closed.
  bool read(int connection) {
    request_.ipcFd = connection;
    request_.keepConnection = 1;  // else libfcgi begins by closing what it takes for the last request's
    return FCGX_Accept_r(&request_) >= 0;
  }

  void answer(const Handler& handler) {
    FastCgiOutput output{request_};
    const Request request = read_request([this](std::string_view name) { return find_parameter(request_.envp, name); });
    if (request.exports) Listener::wait_for_slow_readers(request_.ipcFd);
    (void)handler(request, output);
    close();
  }

 private:
  /// Closes the connection even where the web server would keep it: a worker that waited for its next request would be
  /// lost to all others.
  void close() {
    char next = 0;
    const bool unread = ::recv(request_.ipcFd, &next, sizeof next, MSG_PEEK | MSG_DONTWAIT) > 0;
    if (!unread) {  // else libfcgi has to, which reads on until the web server has closed, too
      ::close(request_.ipcFd);
      request_.ipcFd = -1;
    }
    FCGX_Free(&request_, unread ? 1 : 0);
  }

  FCGX_Request request_{};
};

}  // namespace

bool has_requests() { return Listener::has_socket() || std::getenv("REQUEST_METHOD") != nullptr; }

int serve_requests(const Handler& handler) {
  if (!Listener::has_socket()) return serve_cgi(handler);
  if (std::getenv("FCGI_WEB_SERVER_ADDRS") != nullptr) {
    throw std::runtime_error("FCGI_WEB_SERVER_ADDRS is not supported: use a unix socket, or a firewall");
  }
  const Listener listener;
  FastCgiRequest request;
  for (int connection = listener.accept(); connection >= 0; connection = listener.accept()) {
    if (request.read(connection)) request.answer(handler);
  }
  return EXIT_SUCCESS;
}

}  // namespace webhook_calls
