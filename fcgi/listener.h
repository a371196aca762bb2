#pragma once

#include <csignal>

namespace webhook_calls {

/// The listening FastCGI socket on descriptor 0. While it lives, SIGTERM and SIGUSR1 (what multiwatch sends by default)
/// end the accepting, and come in only while the process waits for a connection: libfcgi would let them break off the
/// reading of a request, which nobody would then answer.
class Listener {
 public:
  /// Whether descriptor 0 is a listening socket. Not by FCGX_IsCGI(), which has libfcgi handle signals from then on:
  /// one that came soon after would be lost.
  [[nodiscard]] static bool has_socket();

  /// Comes before FCGX_Init(), which leaves signals alone that are handled already.
  Listener();

  /// A connection, which the caller owns and whose reads and writes have time limits; -1 at the end. Throws
  /// std::system_error where there can be no more connections.
  [[nodiscard]] int accept() const;

  /// For a connection whose web server takes no more than its client does, and lets go of one that takes nothing.
  static void wait_for_slow_readers(int connection);

 private:
  sigset_t endings_{};
};

}  // namespace webhook_calls
