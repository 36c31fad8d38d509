// One line for each answered request.
#pragma once

#include <string>

#include "dray/http/server.h"

namespace dray {

/// "2026-08-07T12:34:56Z 192.0.2.1 ann "GET /api/…" 200 512 0.84ms", or the same as a JSON object
/// of type "access". What clients chose themselves is made printable; headers are not in it, so
/// that no token is.
std::string access_line(const http::ServerRequest& request, const http::Answered& answered,
                        bool json);

}  // namespace dray
