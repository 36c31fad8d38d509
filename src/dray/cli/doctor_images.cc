// Checks of `dray doctor` for registries of images.
#include "dray/cli/doctor_checks.h"
#include "dray/oci/probe.h"

namespace dray::cli {

namespace {

Check ok(std::string name, std::string message) {
  return {std::move(name), Check::State::ok, std::move(message), "", {}};
}

Check resume_check(const oci::RegistryTraits& can) {
  if (can.resumes_after_cut && can.resumes_after_stop)
    return ok("resume", "a layer goes on after a stop, and after a cut connection");
  if (can.resumes_after_stop)
    return ok("resume",
              "a layer goes on after a stop; after a cut connection it is sent from its beginning");
  return {"resume",
          Check::State::warn,
          "a layer that was not complete is sent again from its beginning",
          "nothing need be done; smaller shards lose less",
          {}};
}

Check referrers_check(const oci::RegistryTraits& can) {
  return ok("referrer", can.lists_referrers
                            ? "the registry lists what refers to an image"
                            : "the registry lists no referrers: tags sha256-… do instead");
}

Check mount_check(const oci::RegistryTraits& can) {
  if (!can.mounts) return ok("mount", "not tried: there is no image yet");
  if (*can.mounts) return ok("mount", "copies within the registry move no bytes");
  return {"mount",
          Check::State::warn,
          "the registry does not mount blobs: copies within it move all bytes",
          "nothing need be done; it only costs time",
          {}};
}

Check ranges_check(const oci::RegistryTraits& can) {
  if (!can.ranges) return ok("ranges", "not tried: there is no image yet");
  if (*can.ranges) return ok("ranges", "blobs can be read from any place");
  return {"ranges",
          Check::State::warn,
          "the registry gives blobs from their beginning only: they cannot be verified or pulled",
          "look at the proxy before it: it must pass the header Range on",
          {}};
}

}  // namespace

std::vector<Check> image_checks(oci::Client& client, const std::stop_token& stop) {
  std::vector<Check> checks;
  Check failed = guarded("images", [&] {
    const oci::RegistryTraits can = oci::probe_registry(client, stop);
    checks = {resume_check(can), referrers_check(can), mount_check(can), ranges_check(can)};
    return checks.front();
  });
  if (checks.empty()) checks.push_back(std::move(failed));
  return checks;
}

}  // namespace dray::cli
