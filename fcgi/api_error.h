#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace webhook_calls {

/// The kinds of errors that an answer can report.
struct ErrorKind {
  int status;
  std::string_view code;
  std::string_view title;
};

inline constexpr ErrorKind kInvalidParameter{400, "invalid_parameter", "Invalid query parameter"};
inline constexpr ErrorKind kUnauthorized{401, "unauthorized", "Unauthorized"};
inline constexpr ErrorKind kNotFound{404, "not_found", "Not found"};
inline constexpr ErrorKind kMethodNotAllowed{405, "method_not_allowed", "Method not allowed"};
inline constexpr ErrorKind kNotAcceptable{406, "not_acceptable", "Not acceptable"};
inline constexpr ErrorKind kUnsupportedMediaType{415, "unsupported_media_type", "Unsupported media type"};
inline constexpr ErrorKind kInternalError{500, "internal_error", "Internal server error"};
inline constexpr ErrorKind kServiceUnavailable{503, "service_unavailable", "Service unavailable"};

/// One fault, in words for the client.
struct Fault {
  std::string detail;
  std::string parameter{};    ///< source.parameter, as the client wrote it, decoded; for kInvalidParameter only
  std::string_view header{};  ///< source.header, where a request header is at fault

  friend bool operator==(const Fault&, const Fault&) = default;
};

/// `text` in quotation marks, for a message.
[[nodiscard]] inline std::string quoted(std::string_view text) { return std::string{'"'}.append(text) += '"'; }

/// The fault of a value, or of one value in a list, that breaks `rule`, which says what it must be.
[[nodiscard]] inline Fault must_be(const std::string& parameter, std::string_view rule, std::string_view value) {
  return {parameter + " must be " + std::string{rule} + ", not " + quoted(value) + ".", parameter};
}

/// Ends a request with an error answer. Thrown by the steps of a request, caught in one place.
class ApiError {
 public:
  ApiError(const ErrorKind& kind, Fault fault) : kind_(&kind), faults_{std::move(fault)} {}
  /// `faults` must not be empty.
  ApiError(const ErrorKind& kind, std::vector<Fault> faults) : kind_(&kind), faults_(std::move(faults)) {}

  [[nodiscard]] const ErrorKind& kind() const { return *kind_; }
  [[nodiscard]] const std::vector<Fault>& faults() const { return faults_; }

 private:
  const ErrorKind* kind_;
  std::vector<Fault> faults_;
};

}  // namespace webhook_calls
