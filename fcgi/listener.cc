#include "fcgi/listener.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace webhook_calls {
namespace {

constexpr int kSocket = 0;

/// A web server has its request ready when it connects; others shall hold no worker.
constexpr timeval kReadTimeout{2, 0};
/// One that takes nothing for so long hangs. It has a file for what its client does not take.
constexpr timeval kWriteTimeout{10, 0};
/// Without a file it is the client that hangs, of which the web server has to judge (nginx: send_timeout).
constexpr timeval kSlowWriteTimeout{600, 0};

volatile std::sig_atomic_t ended = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): of a handler

void end(int /*signal*/) {
  ended = 1;
  ::close(kSocket);  // for the accept() that is about to begin
}

/// Errors of one connection, or of the network under it (accept(2): to be tried again).
bool is_passing(int error) {
  constexpr std::array kPassing{EINTR,     ECONNABORTED, EPROTO,       ENETDOWN,   ENOPROTOOPT,
                                EHOSTDOWN, ENONET,       EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH};
  return std::ranges::find(kPassing, error) != kPassing.end();
}

}  // namespace

bool Listener::has_socket() {
  int listens = 0;
  socklen_t size = sizeof listens;
  return ::getsockopt(kSocket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

Listener::Listener() {
  sigemptyset(&endings_);
  for (const int signal : {SIGTERM, SIGUSR1}) sigaddset(&endings_, signal);
  sigprocmask(SIG_BLOCK, &endings_, nullptr);
  for (const int signal : {SIGTERM, SIGUSR1}) {
    struct sigaction action {};
    action.sa_handler = end;
    sigaction(signal, &action, nullptr);
  }
}

int Listener::accept() const {
  while (ended == 0) {
    sigprocmask(SIG_UNBLOCK, &endings_, nullptr);
    const int connection = ended == 0 ? ::accept4(kSocket, nullptr, nullptr, SOCK_CLOEXEC) : -1;
    const int error = errno;
    sigprocmask(SIG_BLOCK, &endings_, nullptr);
    if (connection >= 0) {
      (void)::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &kReadTimeout, sizeof kReadTimeout);
      (void)::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &kWriteTimeout, sizeof kWriteTimeout);
      return connection;
    }
    if (ended == 0 && !is_passing(error)) throw std::system_error(error, std::generic_category(), "accept");
  }
  return -1;
}

void Listener::wait_for_slow_readers(int connection) {
  (void)::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &kSlowWriteTimeout, sizeof kSlowWriteTimeout);
}

}  // namespace webhook_calls
