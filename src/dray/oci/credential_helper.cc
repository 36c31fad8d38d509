// Programs that keep credentials (docker-credential-helpers).
#include <fmt/format.h>

#include <utility>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/run_program.h"
#include "dray/oci/credentials.h"

namespace dray::oci {

namespace {

constexpr JsonLimits kLimits{.bytes = 64 << 10, .depth = 8};
/// What every helper prints for a registry that it has nothing for.
constexpr std::string_view kUnknown = "credentials not found";
constexpr std::string_view kIdentityToken = "<token>";

/// An error about what `helper` was asked for.
Error helper_error(std::string message, const std::string& helper, const std::string& registry) {
  return Error(Code::auth, std::move(message))
      .on("ask " + helper + " for", registry)
      .from(Side::local);
}

}  // namespace

Credentials parse_helper_answer(std::string_view text, const std::string& helper) {
  const std::string what = "the answer of " + helper;
  const Json json = parse_json(text, what, kLimits);
  Credentials out;
  out.user = find_string(json, "Username", what).value_or("");
  Secret secret(find_string(json, "Secret", what).value_or(""));
  if (out.user == kIdentityToken)
    out.identity_token = std::move(secret);
  else
    out.password = std::move(secret);
  return out;
}

std::optional<Credentials> ask_helper(const std::string& name, const std::string& registry,
                                      const std::string& named_by, const Environment& env,
                                      const std::stop_token& stop) {
  const std::string helper = "docker-credential-" + name;
  const auto program = find_program(helper, env("PATH").value_or(""));
  if (!program)
    throw helper_error("this program is not in PATH", helper, registry)
        .hint(fmt::format("{} names it as the keeper of credentials: install it, or name a file "
                          "that holds them itself with REGISTRY_AUTH_FILE",
                          named_by));
  ProgramResult result;
  try {
    result = run_program({program->string(), "get"}, {.input = registry}, stop);
  } catch (const Error& error) {
    if (error.code() == Code::cancelled) throw;
    throw helper_error(error.message(), helper, registry).hint(named_by + " names this helper");
  }
  if (result.status != 0) {
    if (result.output.reveal().find(kUnknown) != std::string::npos) return std::nullopt;
    // What it printed may hold a secret.
    throw helper_error(fmt::format("it ended with status {}", result.status), helper, registry)
        .hint(fmt::format("{} names this helper; run `echo {} | {} get` to see what it says",
                          named_by, registry, helper));
  }
  Credentials out = parse_helper_answer(result.output.reveal(), helper);
  out.origin = fmt::format("{} (named by {})", helper, named_by);
  if (out.empty()) return std::nullopt;
  return out;
}

}  // namespace dray::oci
