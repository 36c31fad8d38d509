// What `dray migrate` tells of each version.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dray/base/error.h"
#include "dray/cli/output.h"
#include "dray/release/migrate.h"

namespace dray::cli {

/// One version, when it was dealt with.
struct VersionReport {
  MigrateItem item;
  std::string result;  // "copied", "pointed", "already there", "skipped", "changed", "failed" …
  std::optional<Error> error;
  Migrated done;
  std::vector<std::string> services;    // deployments that were made with the old place
  std::optional<DeletedSource> source;  // with --delete-source
};

struct MigrationHead {
  std::string registry, from, to;
  bool rollback = false;
};

/// What became of an item that needs nothing to be done.
VersionReport skipped(const MigrateItem& item);
VersionReport failed(const MigrateItem& item, const Error& error);

/// In JSON mode: a line for one version.
void tell_version(Output& out, const VersionReport& report);
/// The table, what failed and why, and the summary; in JSON mode the last object.
void tell_all(Output& out, const MigrationHead& head, const std::vector<VersionReport>& reports);
/// --dry-run.
void tell_plan(Output& out, const MigrationHead& head, const std::vector<VersionReport>& plan);
/// Throws Code::partial if some versions failed, and the first one's error if all did.
void throw_if_failed(const std::vector<VersionReport>& reports, const std::string& again);

}  // namespace dray::cli
