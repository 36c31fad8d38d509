#include "dray/release/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "dray/base/digest.h"
#include "dray/base/failpoint.h"
#include "dray/base/time.h"
#include "dray/release/aliases.h"
#include "dray/release/import_objects.h"
#include "dray/release/project.h"
#include "dray/release/publish.h"
#include "dray/release/same_content.h"
#include "dray/store/catalog.h"
#include "dray/transfer/framed_transform.h"
#include "dray/transfer/transfer.h"

namespace dray {

namespace {

std::uint64_t total_bytes(const ImportPlan& plan) {
  std::uint64_t bytes = 0;
  for (const auto& file : plan.files) bytes += file.size;
  return bytes + plan.bytes_stored_again;
}

/// What would fail later fails before the first model byte: credentials, permissions, room.
void check_store(const ImportRequest& request, const ImportPlan& plan,
                 const std::stop_token& stop) {
  request.store->preflight(stop);
  std::uint64_t needed = plan.bytes_to_store;  // and copies of what is sent
  for (const PlannedFile& file : plan.files)
    if (file.from == PlannedFile::From::twin) needed += file.size;
  const auto room = request.store->free_bytes();
  if (!room || *room >= needed) return;
  throw Error(Code::storage,
              fmt::format("{} are needed, {} are free", human_size(needed), human_size(*room)))
      .on("write to", request.store->properties().uri)
      .from(Side::destination)
      .hint("make room, or choose another store with --to");
}

/// The bytes are there and the manifest is not: moves them, then makes the release exist. True if
/// this call did.
bool make_release(const ImportRequest& request, const ImportPlan& plan, Progress& progress,
                  ImportResult& result, const std::stop_token& stop) {
  progress.phase("checking the store");
  check_store(request, plan, stop);
  Transforms transforms;
  if (plan.compression)
    transforms = shard_transforms(*request.source, plan.choice, *plan.compression, request.transfer,
                                  progress, stop);
  TransferRequest transfer_request;
  transfer_request.source = request.source;
  transfer_request.store = request.store;
  transfer_request.progress = &progress;
  transfer_request.options = request.transfer;
  const std::vector<PackedObject> packed = pack(request, plan);
  transfer_request.plan = transfer_plan(request, plan, packed, transforms);
  transfer_request.name = plan.name;
  transfer_request.version = plan.version;
  transfer_request.source_text =
      plan.snapshot.origin.uri +
      (plan.snapshot.origin.commit.empty() ? "" : "@" + plan.snapshot.origin.commit);
  transfer_request.prefix = release_prefix(plan.name, plan.version, request.place);
  const auto shared = read_ranges(*request.store, plan.shared, request.transfer, progress, stop);
  share_ranges(transfer_request.plan, *request.source, *request.store, shared, stop);
  progress.phase("claiming");
  Transfer transfer(std::move(transfer_request), stop);
  // Another writer may have finished between our plan and our claim.
  if (const auto& done = transfer.published()) {
    transfer.finish(stop);
    if (!same_content(*done, plan))
      throw Error(Code::conflict,
                  "another writer published other content as this version meanwhile")
          .on("import", Reference{plan.name, plan.version, ""}.text())
          .hint("run the same command again to get the next version");
    result.manifest = *done;
    return false;
  }
  progress.begin("transferring", total_bytes(plan), plan.files.size());
  const std::vector<ObjectResult> objects = transfer.run(stop);
  result.manifest = manifest_of(plan, packed, objects);
  progress.phase("publishing");
  request.store->seal(result.manifest, stop);
  check_prefix(*request.store, result.manifest, request.place, stop);
  save_range_record(*request.store, result.manifest, objects, shared, stop);
  failpoint("before-publish");
  const bool changed = publish_manifest(*request.store, result.manifest, stop);
  failpoint("after-publish");
  transfer.finish(stop);
  return changed;
}

void register_release(const ImportRequest& request, ImportResult& result,
                      const std::stop_token& stop) {
  // Where the registry is down the release is complete all the same.
  result.registry_error = told([&] {
    result.registered = request.registry->put(registration_of(result.manifest, result.uri), stop);
  });
}

/// Lets the alias point to the release, then shows that in the registry.
void move_the_alias(const ImportRequest& request, const ImportPlan& plan, ImportResult& result,
                    const std::stop_token& stop) {
  promote(*request.store, {plan.name, plan.version, ""}, request.alias, request.note, false, stop);
  if (request.registry == nullptr || result.registry_error) return;
  result.registry_error =
      told([&] { project_aliases(*request.store, *request.registry, plan.name, stop); });
}

}  // namespace

ImportResult run_import(const ImportRequest& request, const ImportPlan& plan, Progress& progress,
                        const std::stop_token& stop) {
  ImportResult result;
  result.uri = plan.uri;
  progress.total(total_bytes(plan), plan.files.size());
  if (plan.existing) {
    result.manifest = *plan.existing;
    progress.reused(total_bytes(plan));
  } else {
    result.changed = make_release(request, plan, progress, result, stop);
  }
  if (request.registry != nullptr) {
    progress.phase("registering");
    register_release(request, result, stop);
    failpoint("registered");
  }
  if (!request.alias.empty()) {
    progress.phase("moving the alias");
    move_the_alias(request, plan, result, stop);
  }
  progress.phase("done");
  result.stats = progress.view();
  return result;
}

}  // namespace dray
