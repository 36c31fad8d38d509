// The objects of an import: what the store makes of the files, and what the manifest says of them
// afterwards.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dray/base/transform.h"
#include "dray/model/manifest.h"
#include "dray/release/import.h"
#include "dray/store/store.h"
#include "dray/transfer/plan.h"

namespace dray {

using Transforms = std::map<std::string, std::shared_ptr<Transform>>;  // by path of the shard

/// What the store makes of the plan's files, in the order of the transfer's objects.
std::vector<PackedObject> pack(const ImportRequest& request, const ImportPlan& plan);

/// Bytes of those that hold no file of their own: second forms, and help to make others.
std::uint64_t stored_again(const std::vector<PackedObject>& packed);

/// One object of the transfer for each of `packed`, in that order. Code::unsupported where a file
/// that is quantized would share its object with others.
TransferPlan transfer_plan(const ImportRequest& request, const ImportPlan& plan,
                           const std::vector<PackedObject>& packed, const Transforms& transforms);

/// The record of the release; `objects` are what became of `packed`, in that order.
Manifest manifest_of(const ImportPlan& plan, const std::vector<PackedObject>& packed,
                     const std::vector<ObjectResult>& objects);

}  // namespace dray
