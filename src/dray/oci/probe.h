// What a registry can do, found out by trying.
#pragma once

#include <optional>
#include <stop_token>

#include "dray/oci/client.h"

namespace dray::oci {

struct RegistryTraits {
  bool lists_referrers = false;
  /// An upload goes on after its PATCH was ended in order; after the connection was cut within it.
  bool resumes_after_stop = false, resumes_after_cut = false;
  std::optional<bool> mounts, ranges;  // nullopt: the repository holds nothing to try it with
};

/// Sends some 130 KB and leaves nothing behind: uploads are cancelled, and only a blob that is
/// there is mounted. Needs the right to push. Errors are of requests that a push needs too.
RegistryTraits probe_registry(Client& client, const std::stop_token& stop);

}  // namespace dray::oci
