// A whole transfer: claim, what earlier runs left, engine, journal. What import, pull and migration
// share.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/model/manifest.h"
#include "dray/source/source.h"
#include "dray/store/store.h"
#include "dray/transfer/claim.h"
#include "dray/transfer/options.h"
#include "dray/transfer/plan.h"
#include "dray/transfer/progress.h"

namespace dray {

struct TransferRequest {
  Source* source = nullptr;  // borrowed
  Store* store = nullptr;    // borrowed
  Progress* progress = nullptr;
  TransferOptions options;
  TransferPlan plan;
  std::string name, version;  // of the release: what the claim is for
  std::string source_text;    // "hf://org/name@commit", for people who look at the journal
  std::string
      prefix;  // all keys of the plan lie below it, and nothing else may ("model-data/x/1.0.0/")
  std::vector<ObjectResult> present;  // objects of the plan that were found right already
  /// The prefix is a release's: strangers' objects below it are a conflict. False: a folder that is
  /// pulled into.
  bool exclusive_prefix = true;
};

/// Metadata name under which every object carries its transfer's id, so that a later run knows its
/// own.
inline constexpr const char* kTransferMetadata = "dray-transfer";

/// One transfer, from the claim to the moment the manifest may be written.
class Transfer {
 public:
  /// Claims the release and looks at what is there. Throws Code::locked when another writer lives,
  /// Code::conflict when the prefix holds objects that no transfer of this release made.
  Transfer(TransferRequest request, const std::stop_token& stop);
  /// Unless it was finished the journal is kept, marked so that nobody waits for this process.
  ~Transfer();

  /// Set when another writer published the release before this one had its claim: nothing is to be
  /// moved then, and nothing of it was touched.
  const std::optional<Manifest>& published() const;
  /// Moves everything; results in plan order. When it throws, the journal holds what a later run
  /// can take up.
  std::vector<ObjectResult> run(const std::stop_token& stop);
  /// The manifest is published: nothing of the transfer stays behind.
  void finish(const std::stop_token& stop);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dray
