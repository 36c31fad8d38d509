// The single checks of `dray doctor`.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/time.h"
#include "dray/cli/context.h"
#include "dray/oci/client.h"

namespace dray::cli {

struct Check {
  enum class State { ok, warn, fail };
  std::string name;  // "hub", "clock", "store"
  State state = State::ok;
  std::string message;
  std::string fix;           // what to do; "" when ok
  std::optional<Code> code;  // of a failure
};

/// A failed check from what was thrown.
Check failed_check(std::string name, const Error& error);
/// Runs `body`; what it throws becomes a failed check. A stop goes on.
Check guarded(const std::string& name, const std::function<Check()>& body);

/// The difference to a server's clock: above a minute is worth a warning; S3 refuses from 15
/// minutes on.
Check clock_check(std::chrono::seconds ours_minus_theirs, const std::string& server);
/// The proxy that the environment sets for https, and what goes past it. Credentials are left out.
Check proxy_check(const Environment& environment);
/// `limit` in bytes (of the container or machine), against --memory.
Check memory_check(std::optional<std::uint64_t> limit, std::uint64_t wanted);

/// The Hub: reachable, TLS, the token; also its clock. One or more results.
std::vector<Check> hub_checks(Context& context);
/// What the store's preflight finds; free space of a local one; what a registry of images can do.
std::vector<Check> store_checks(Context& context);
/// What a registry of images can do, of which imports make use; nothing is left behind there.
std::vector<Check> image_checks(oci::Client& client, const std::stop_token& stop);
std::vector<Check> registry_checks(Context& context);
/// Access to one source, where one was named.
Check source_check(Context& context, const std::string& source);
/// Bytes this process may take: the smallest of the cgroups' limits and the machine's memory.
std::optional<std::uint64_t> memory_limit();

}  // namespace dray::cli
