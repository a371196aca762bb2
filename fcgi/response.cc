#include "fcgi/response.h"

namespace webhook_calls {
namespace {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 415:
      return "Unsupported Media Type";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

}  // namespace

void Response::reset() {
  status_ = 200;
  headers_.clear();
  body_.clear();
}

void Response::add_header(std::string_view name, std::string_view value) { headers_.emplace_back(name, value); }

void Response::finish() {
  if (!started_) send_head(status_ != 304);
  send();
}

void Response::send() {
  if (!started_) send_head(false);
  if (wants_more() && !body_.empty()) {
    client_gone_ = !output_->write(body_);
    if (!client_gone_) bytes_ += body_.size();
  }
  body_.clear();
}

void Response::send_head(bool with_length) {
  std::string head = "Status: " + std::to_string(status_) + " ";
  head += reason_phrase(status_);
  head += "\r\n";
  for (const auto& [name, value] : headers_) head.append(name).append(": ").append(value).append("\r\n");
  if (with_length) head += "Content-Length: " + std::to_string(body_.size()) + "\r\n";
  head += "\r\n";
  started_ = true;
  client_gone_ = !output_->write(head);
}

}  // namespace webhook_calls
