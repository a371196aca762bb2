#pragma once

#include <functional>

#include "fcgi/request.h"
#include "fcgi/response.h"

namespace webhook_calls {

/// Answers one request. False: the response was cut short.
using Handler = std::function<bool(const Request&, ResponseOutput&)>;

/// Whether this process was started by a web server: a listening socket stands on descriptor 0 (FastCGI), or the
/// environment has a request (CGI).
[[nodiscard]] bool has_requests();

/// Answers the requests that arrive at the listening socket on descriptor 0, one at a time, until SIGTERM or SIGUSR1;
/// one that is being answered then is answered to its end. As a plain CGI program: the one request in the environment.
/// A response that was cut short is not ended: its connection is dropped, so that nobody takes it for whole. As a CGI
/// program none is: it is sent when it is whole.
/// Returns the process' exit code. Throws std::runtime_error where the socket cannot be used.
int serve_requests(const Handler& handler);

}  // namespace webhook_calls
