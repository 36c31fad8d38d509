// HOST:PORT of commands that serve.
#pragma once

#include <string>

#include "dray/http/server.h"

namespace dray::cli {

/// Options with host and port of --listen; "[::1]:80" is host "::1". Throws Code::usage.
http::ServerOptions parse_listen(const std::string& text);

}  // namespace dray::cli
