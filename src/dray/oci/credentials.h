// What a registry knows its user by, and where that is found.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "dray/base/environment.h"
#include "dray/base/secret.h"
#include "dray/oci/reference.h"

namespace dray::oci {

/// A password for `user`, or a token: an identity token is exchanged for others at the registry's
/// token service, a registry token is sent as it is.
struct Credentials {
  std::string user;
  Secret password;
  Secret identity_token;
  Secret registry_token;
  std::string origin;  // for people: "~/.docker/config.json", "docker-credential-x (named by …)"

  bool empty() const {
    return user.empty() && password.empty() && identity_token.empty() && registry_token.empty();
  }
};

struct CredentialsOptions {
  /// With a password: only these are used. Meant for one registry; whoever fills them in sees to it
  /// that they are used for no other.
  std::string user;
  /// The file that holds the password of `user` (one line end is cut); "" = the variable
  /// DRAY_REGISTRY_PASSWORD.
  std::string password_file;
  bool anonymous = false;  // none, whatever is found
  Environment env = process_environment();
};

/// The first of
/// - `user` with the password of `password_file` or $DRAY_REGISTRY_PASSWORD (without `user` that
///   variable counts for nothing),
/// - the file $REGISTRY_AUTH_FILE, or where that is a folder (a mounted Kubernetes secret) its
///   .dockerconfigjson, config.json, auth.json or .dockercfg,
/// - $XDG_RUNTIME_DIR/containers/auth.json, or where that is not set /run/containers/UID/auth.json,
/// - $XDG_CONFIG_HOME/containers/auth.json (default ~/.config),
/// - $DOCKER_CONFIG/config.json (default ~/.docker), and ~/.dockercfg
/// that has something for the reference (oci/auth_file.h says which entry). Within one file a
/// helper of its own for the registry comes first, then what is stored in the file, then the helper
/// for all registries. nullopt where nothing is found: the registry is used without a name.
///
/// Throws Code::usage for half of a pair in the options, Code::auth when a named file is absent or
/// a helper is missing or fails, Code::malformed naming the file that cannot be read as what it
/// should be. A file that nobody named and that may not be read is passed over with a warning.
/// Errors hold no secrets.
std::optional<Credentials> find_credentials(const Reference& reference,
                                            const CredentialsOptions& options,
                                            const std::stop_token& stop = {});

/// Asks the program docker-credential-`name` (found in `env`'s PATH, run without a shell) for
/// `registry`; nullopt where it knows none. `named_by` is the file that names it.
std::optional<Credentials> ask_helper(const std::string& name, const std::string& registry,
                                      const std::string& named_by, const Environment& env,
                                      const std::stop_token& stop);
/// What a helper prints: {"Username", "Secret"}; the user "<token>" marks an identity token.
/// `helper` names it in errors. Throws Code::malformed.
Credentials parse_helper_answer(std::string_view text, const std::string& helper);

}  // namespace dray::oci
