// What reads of the REST API answer. Documents are handed out as they are stored.
#pragma once

#include <string>
#include <string_view>

#include "dray/registry/connection.h"
#include "dray/registry/records.h"

namespace dray {

std::string get_record(sqlite::Connection& connection, Kind kind, std::string_view id);
std::string find_record(sqlite::Connection& connection, Kind kind, const FindQuery& query);
Page list_records(sqlite::Connection& connection, Kind kind, std::string_view parent_id,
                  const ListQuery& query);
std::string model_of_service(sqlite::Connection& connection, std::string_view id);
std::string version_of_service(sqlite::Connection& connection, std::string_view id);

}  // namespace dray
