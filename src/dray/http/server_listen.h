// Addresses of a server and of who connects to it.
#pragma once

#include <string>

#include "dray/base/file.h"

struct sockaddr;

namespace dray::http {

/// A socket that listens at `host`:`port`. Throws Code::usage, naming both.
Fd listen_at(const std::string& host, int port);
int port_of(const Fd& listener);

/// "192.0.2.1", "2001:db8::1"; an IPv4 address inside IPv6 is given as IPv4; "" if it is neither.
std::string address_text(const sockaddr* address);

}  // namespace dray::http
