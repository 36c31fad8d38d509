// Who changes something, for the store's history.
#pragma once

#include <string>

#include "dray/cli/args.h"
#include "dray/store/catalog.h"

namespace dray::cli {

struct Actor {
  std::string name;
  /// How it is known: "login" (the operating system's user), "github-actions URL", "gitlab-ci URL",
  /// "jenkins URL", "kubernetes POD". What the environment says is taken at its word: it tells a
  /// friendly reader whom to ask, and proves nothing.
  std::string source;
};

/// From the variables of a CI system, else the service account of a Kubernetes pod (`token_file`
/// holds its token, of which only the name is read), else the login and the machine's name.
Actor find_actor(const Environment& environment, const std::string& token_file);
/// Of this process.
Actor find_actor();
/// The same with the reason that was given.
MoveNote note_of(const std::string& reason);

}  // namespace dray::cli
