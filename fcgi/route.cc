#include "fcgi/route.h"

#include "fcgi/api_error.h"
#include "fcgi/numbers.h"

namespace webhook_calls {
namespace {

constexpr std::string_view kPrefix = "/api/v3/notification/webhook/";
constexpr std::string_view kCalls = "/calls";

std::optional<Route> find_route(std::string_view path) {
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  const auto id_end = path.find('/');
  if (id_end == std::string_view::npos) return std::nullopt;
  const auto webhook_id = parse_canonical_number(path.substr(0, id_end));
  path.remove_prefix(id_end);
  if (!webhook_id || !path.starts_with(kCalls)) return std::nullopt;
  path.remove_prefix(kCalls.size());
  if (path.empty()) return Route{*webhook_id};
  if (path.front() != '/') return std::nullopt;
  const auto call_id = parse_canonical_number(path.substr(1));
  return call_id ? std::optional{Route{*webhook_id, call_id}} : std::nullopt;
}

}  // namespace

std::string Route::path() const {
  std::string path{kPrefix};
  path += std::to_string(webhook_id);
  path += kCalls;
  if (call_id) path += "/" + std::to_string(*call_id);
  return path;
}

Route parse_route(std::string_view path) {
  if (const auto route = find_route(path)) return *route;
  throw ApiError(kNotFound, Fault{"There is no resource at this path."});
}

}  // namespace webhook_calls
