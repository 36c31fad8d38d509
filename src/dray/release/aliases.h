// Moving aliases: forward by promoting a release, back by one step. The store's log is what counts
// (docs/formats/alias-log.md); registries are told afterwards (release/project.h).
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/model/manifest.h"
#include "dray/model/reference.h"
#include "dray/release/verify.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"
#include "dray/store/store.h"
#include "dray/transfer/options.h"
#include "dray/transfer/progress.h"

namespace dray {

struct MovedAlias {
  Manifest manifest;     // of the version that the alias points to now
  std::string previous;  // the version before; "" if it pointed nowhere
  bool changed = false;  // false: it pointed there already
};

/// Lets an alias point to a release. Code::conflict for one that is archived or being removed; a
/// release that is removed at the same moment loses the alias again. `dry_run` moves nothing.
MovedAlias promote(Store& store, const Reference& reference, std::string_view alias,
                   const MoveNote& note, bool dry_run, const std::stop_token& stop);

/// What of the target's bytes is looked at before an alias goes back to it.
enum class BytesCheck {
  quick,  // names, sizes and the store's checksums
  full,   // every byte
  none,
};

struct RollbackRequest {
  Store* store = nullptr;  // borrowed
  std::string name, alias;
  MoveNote note;
  std::string place{kDefaultTemplate};
  BytesCheck check = BytesCheck::quick;
  TransferOptions transfer;
  bool dry_run = false;
};

struct RolledBack {
  MovedAlias moved;
  AliasMove undone;                     // the move that was taken back
  std::optional<VerifyResult> checked;  // nullopt: the bytes were not looked at
};

/// Takes back the last move of the alias that was not taken back yet, so that doing it again goes
/// one more step back. Code::not_found where there is nothing to go back to or the version is not
/// there any more; Code::verification where its bytes are not intact, Code::conflict where it is
/// archived (neither with BytesCheck::none), or where someone else moved the alias meanwhile.
RolledBack roll_back(const RollbackRequest& request, Progress& progress,
                     const std::stop_token& stop);

/// The alias to roll back where none was named: the model's only one that points somewhere. Throws
/// Code::usage, naming them, where there are several, Code::not_found where there is none.
std::string only_alias(Store& store, std::string_view name, const std::stop_token& stop);

/// Lets the alias point nowhere; its log stays. The version that it pointed to; Code::not_found if
/// it points nowhere.
std::string drop_alias(Store& store, std::string_view name, std::string_view alias,
                       const MoveNote& note, bool dry_run, const std::stop_token& stop);

}  // namespace dray
