// What a FakeRegistry makes of a request that was let in.
#include "tests/support/fake_registry_state.h"

namespace dray::test {

RawResponse registry_no_route() {
  RawResponse response{.status = 404, .body = "404 page not found\n"};
  response.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  return response;
}

RegistryState::Refusal RegistryState::refuse(const RegistryCall& call) {
  const RegistryQuirks& quirks = call.options.quirks;
  if (call.op == RegistryOp::unknown) return registry_no_route();
  if (!call.repository.empty() && !is_registry_name(call.repository))
    return FakeRegistry::error(400, "NAME_INVALID");
  const bool push = call.request->method == "POST" || call.request->method == "PUT";
  if (push && !call.repository.empty() && !quirks.creates_repositories &&
      !repositories.contains(call.repository))
    return FakeRegistry::error(404, "NAME_UNKNOWN");
  if (call.op == RegistryOp::put_manifest &&
      call.content_length().value_or(0) > quirks.max_manifest)
    return FakeRegistry::error(413, "MANIFEST_INVALID");
  if (call.op == RegistryOp::post_blob && quirks.single_post)
    return too_large(call, call.content_length().value_or(0));
  const bool patch = call.op == RegistryOp::patch_upload;
  if (!patch && call.op != RegistryOp::finish_upload) return std::nullopt;
  const auto found = find_upload(call);
  if (const auto* refusal = std::get_if<RawResponse>(&found)) return *refusal;
  const StoredBlobUpload& upload = *std::get<StoredBlobUpload*>(found);
  if (patch)
    if (auto refusal = check_patch(call, upload)) return refusal;
  const auto chunk = check_chunk(call, upload);
  if (const auto* refusal = std::get_if<RawResponse>(&chunk)) return *refusal;
  return std::nullopt;
}

RawResponse RegistryState::handle(const RegistryCall& call) {
  switch (call.op) {
    case RegistryOp::ping:
      return registry_json(Json::object());
    case RegistryOp::head_blob:
    case RegistryOp::get_blob:
      return get_blob(call);
    case RegistryOp::delete_blob:
      return delete_blob(call);
    case RegistryOp::stored_blob:
      return stored_blob(call);
    case RegistryOp::start_upload:
      return start_upload(call);
    case RegistryOp::mount_blob:
      return mount_blob(call);
    case RegistryOp::post_blob:
      return post_blob(call);
    case RegistryOp::head_manifest:
    case RegistryOp::get_manifest:
      return get_manifest(call);
    case RegistryOp::put_manifest:
      return put_manifest(call);
    case RegistryOp::delete_manifest:
      return delete_manifest(call);
    case RegistryOp::list_tags:
      return list_tags(call);
    case RegistryOp::list_referrers:
      return list_referrers(call);
    default:
      break;
  }
  if (call.op == RegistryOp::upload_status && call.options.quirks.status_status != 204)
    return FakeRegistry::error(call.options.quirks.status_status, "METHOD_UNKNOWN");
  const auto found = find_upload(call);
  if (const auto* refusal = std::get_if<RawResponse>(&found)) return *refusal;
  StoredBlobUpload& upload = *std::get<StoredBlobUpload*>(found);
  if (call.op == RegistryOp::patch_upload) return patch_upload(call, upload);
  if (call.op == RegistryOp::finish_upload) return finish_upload(call, upload);
  if (call.op == RegistryOp::upload_status) return upload_status(call, upload);
  uploads.erase(call.reference);  // cancel_upload
  return {.status = 204};
}

}  // namespace dray::test
