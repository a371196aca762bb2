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

bool Response::reset() {
  if (started_ && !output_->take_back()) return false;
  started_ = false;
  bytes_ = 0;
  with_length_ = true;
  status_ = 200;
  headers_.clear();
  body_.clear();
  return true;
}

void Response::add_header(std::string_view name, std::string_view value) {
  headers_.append(name).append(": ").append(value).append("\r\n");
}

void Response::send(bool last) {
  const std::string head = started_ ? "" : make_head(last && with_length_ && status_ != 304);
  started_ = true;
  if (head_) body_.clear();
  if (!client_gone_ && (last || !head.empty() || !body_.empty())) {
    client_gone_ = !output_->write(head, body_, last);
    if (!client_gone_) bytes_ += body_.size();
  }
  body_.clear();
}

std::string Response::make_head(bool with_length) const {
  std::string head = "Status: " + std::to_string(status_) + " ";
  head += reason_phrase(status_);
  head += "\r\n";
  head += headers_;
  if (with_length) head += "Content-Length: " + std::to_string(body_.size()) + "\r\n";
  return head += "\r\n";
}

}  // namespace webhook_calls
