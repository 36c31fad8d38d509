// Registries in use, as far as an uploader notices the difference.
#include "tests/support/fake_registry_options.h"

namespace dray::test {

RegistryQuirks RegistryQuirks::docker28() {
  RegistryQuirks quirks;
  quirks.state = StateCheck::cancels;
  quirks.content_range = false;
  quirks.single_post = false;
  quirks.referrers = false;
  quirks.tag_parameters = false;
  quirks.deletes_tags = false;
  quirks.null_tags = true;
  return quirks;
}

RegistryQuirks RegistryQuirks::distribution3() {
  RegistryQuirks quirks;
  quirks.single_post = false;
  quirks.referrers = false;
  quirks.tag_parameters = false;
  quirks.null_tags = true;
  return quirks;
}

RegistryQuirks RegistryQuirks::quay(std::uint64_t max_layer) {
  RegistryQuirks quirks;
  quirks.state = StateCheck::ignored;
  quirks.cut_put_ends_upload = true;
  quirks.start_range = "bytes=0--1";
  quirks.status_prefix = "bytes=";
  quirks.status_excess = 1;
  quirks.status_location = false;
  quirks.skips_overlap = true;
  quirks.max_layer = max_layer;
  quirks.mount_needs_pull = false;
  quirks.bad_digest_code = "BLOB_UPLOAD_INVALID";
  quirks.tag_parameters = false;
  quirks.deletes_blobs = false;
  quirks.opaque_pages = true;
  return quirks;
}

RegistryQuirks RegistryQuirks::harbor() {
  RegistryQuirks quirks = docker28();
  quirks.referrers = true;
  return quirks;
}

RegistryQuirks RegistryQuirks::zot() {
  RegistryQuirks quirks;
  quirks.after_cut = AfterCut::is_gone;
  quirks.state = StateCheck::ignored;
  quirks.relative_locations = true;
  return quirks;
}

RegistryQuirks RegistryQuirks::ghcr(std::uint64_t max_sized_patch) {
  RegistryQuirks quirks;
  quirks.max_sized_patch = max_sized_patch;
  quirks.relative_locations = true;
  return quirks;
}

RegistryQuirks RegistryQuirks::ecr(std::uint64_t min_chunk) {
  RegistryQuirks quirks;
  quirks.patch_status = 201;
  quirks.min_chunk = min_chunk;
  quirks.creates_repositories = false;
  quirks.page = 1000;
  return quirks;
}

RegistryQuirks RegistryQuirks::google() {
  RegistryQuirks quirks;
  quirks.max_patches = 1;
  return quirks;
}

RegistryQuirks RegistryQuirks::artifactory(int patch_status) {
  RegistryQuirks quirks;
  quirks.patch_status = patch_status;
  return quirks;
}

RegistryQuirks RegistryQuirks::cloudflare(std::uint64_t max_body) {
  RegistryQuirks quirks;
  quirks.max_body = max_body;
  return quirks;
}

RegistryQuirks RegistryQuirks::crane() {
  RegistryQuirks quirks;
  quirks.state = StateCheck::ignored;
  quirks.relative_locations = true;
  quirks.status_status = 400;
  quirks.patch_status = 204;
  quirks.mounts = false;
  quirks.referrers = false;
  quirks.tag_parameters = false;
  return quirks;
}

RegistryQuirks RegistryQuirks::redirecting() {
  RegistryQuirks quirks;
  quirks.redirects = true;
  return quirks;
}

RegistryAuth RegistryAuth::basic() {
  RegistryAuth auth;
  auth.kind = Kind::basic;
  return auth;
}

RegistryAuth RegistryAuth::bearer() {
  RegistryAuth auth;
  auth.kind = Kind::bearer;
  return auth;
}

RegistryAuth RegistryAuth::harbor(std::uint64_t token_uses) {
  RegistryAuth auth = bearer();
  auth.token_uses = token_uses;
  auth.cancel_needs_delete = true;
  return auth;
}

}  // namespace dray::test
