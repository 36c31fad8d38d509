// Who is it that does not speak HTTP?
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "dray/http/url.h"

namespace dray {

/// Connects and listens, saying nothing, for less than a second an address and one more. Tells what
/// kind of service speaks first there, in words ("a MySQL server (8.0.36)"); nullopt when nothing
/// does or no connection comes about. HTTP servers wait for the client.
std::optional<std::string> who_speaks_first(const http::Url& url);

/// What the first bytes of a service mean; nullopt for nothing at all.
std::optional<std::string> recognise_greeting(std::string_view bytes);

}  // namespace dray
