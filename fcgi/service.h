#pragma once

#include <optional>
#include <string>

#include "fcgi/api_error.h"
#include "fcgi/call_params.h"
#include "fcgi/config.h"
#include "fcgi/jsonapi.h"
#include "fcgi/media_types.h"
#include "fcgi/request.h"
#include "fcgi/request_log.h"
#include "fcgi/response.h"
#include "sql/call_store.h"
#include "sql/redaction.h"

namespace webhook_calls {

/// Answers requests, one at a time.
class Service {
 public:
  /// `session` must outlive the service.
  Service(const Config& config, MysqlSession& session)
      : access_(config.access),
        redaction_(redaction_pattern(config.redacted_headers)),
        session_(session),
        store_(session) {}

  /// Writes the answer to `output`, whatever happens, and a line to the log. False: the answer is cut short, and must
  /// not be ended as if it were whole.
  [[nodiscard]] bool answer(const Request& request, ResponseOutput& output);

 private:
  void log(const std::string& line);
  void look_after_hosts();
  std::optional<ApiError> try_to_respond(const Request& request, Response& response, RequestRecord& record);
  void respond(const Request& request, Response& response, RequestRecord& record);
  void respond_with_list(const CallRequest& request, const Access& access, Response& response, RequestRecord& record);
  void respond_with_export(const CallRequest& request, const Access& access, Format format, Response& response,
                           RequestRecord& record);
  void respond_with_call(const CallRequest& request, std::string_view if_none_match, Response& response,
                         RequestRecord& record);
  [[nodiscard]] Reader reader_of(const Request& request) const;

  AccessMode access_;
  std::string redaction_;
  MysqlSession& session_;
  CallStore store_;
  bool log_is_read_ = true;
};

}  // namespace webhook_calls
