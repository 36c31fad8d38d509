// Who a request comes from, and what they may do.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/http/server.h"
#include "dray/serve/access_file.h"
#include "dray/serve/network.h"

namespace dray {

/// How it is known who somebody is.
enum class Proof { none, token, proxy };
std::string_view proof_name(Proof proof);

struct Caller {
  std::string name;  // "anonymous" without proof
  Proof proof = Proof::none;
  std::vector<Grant> grants;

  /// Whether the role is held for everything.
  bool may(Role role) const;
  /// Whether the role is held for the model, experiment or serving environment of that name.
  bool may(Role role, std::string_view subject) const;
  /// Whether it is held for anything at all.
  bool may_some(Role role) const;
};

struct AccessOptions {
  std::string file;               // "" = nobody has a token or a name
  std::string user_header;        // in which a trusted proxy states the user; "" = none does
  std::vector<Network> trusted;   // where such proxies are
  std::optional<Role> anonymous;  // what requests without proof may do
  /// The server listens on loopback alone: then browsers must not be led to it by other names.
  bool loopback = true;
};

/// Thread-safe.
class Access {
 public:
  /// Throws as `AccessFile` does.
  explicit Access(AccessOptions options);

  /// Throws Code::auth where a proof is wrong, or missing and needed; Code::policy where a browser
  /// sends what a page of another origin asked it to.
  Caller identify(const http::ServerRequest& request) const;

 private:
  std::optional<std::string> user_of_proxy(const http::ServerRequest& request) const;
  void check_browser(const http::ServerRequest& request) const;

  AccessOptions options_;
  std::unique_ptr<AccessFile> file_;
};

}  // namespace dray
