#pragma once

#include <string>
#include <vector>

#include "sql/mysql_session.h"

namespace webhook_calls {

struct DatabaseReport {
  std::vector<std::string> faults{};    ///< requests will fail
  std::vector<std::string> warnings{};  ///< requests will be answered, but something is not as it should be
};

/// Whether the database can be reached, has the schema that this program was built for, and grants its account what it
/// needs and nothing more. Sentences for the operator; they hold the driver's texts.
[[nodiscard]] DatabaseReport check_database(MysqlSession& session);

}  // namespace webhook_calls
