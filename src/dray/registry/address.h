// What people give as the address of a registry.
#pragma once

#include <string>
#include <string_view>

#include "dray/http/url.h"

namespace dray {

/// The http(s) URL. Throws Code::usage for other schemes, and for the port or scheme of a database
/// server, naming the REST URL that is meant: registries keep their data in MySQL or PostgreSQL,
/// and that address is easily mistaken for theirs.
http::Url registry_url(const std::string& address);

/// Where the registry's REST service would be, given a host of the same installation:
/// "https://REGISTRY.<namespace>.svc.cluster.local:8443" for a host inside Kubernetes.
std::string rest_url_example(std::string_view host);

}  // namespace dray
