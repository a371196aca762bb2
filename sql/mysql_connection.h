#pragma once

#include <cppconn/connection.h>
#include <cppconn/exception.h>

#include <memory>
#include <string>

#include "sql/database.h"

/// What there is to know of the connector before a statement can run. Only mysql_session.cc includes this.
namespace webhook_calls {

/// A connection to one host, with its session set up. Throws sql::SQLException; where another host may do better, as
/// `among_others` says, also where the host is a Galera node outside its cluster, or has no tables.
[[nodiscard]] std::unique_ptr<sql::Connection> open_connection(const DatabaseSettings& settings,
                                                               const DatabaseHost& host, bool among_others);

/// Whether the client library made the code: all of these are about the connection.
[[nodiscard]] constexpr bool is_of_client_library(int code) { return code >= 2000 && code < 3000; }

/// What an error's code means, where no time limit of the client was reached.
[[nodiscard]] DatabaseError::Kind kind_of(int code);

/// With its code, for the log.
[[nodiscard]] std::string text_of(const sql::SQLException& error);

}  // namespace webhook_calls
