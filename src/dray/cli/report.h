// What several commands tell in the same words.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/cli/output.h"
#include "dray/model/manifest.h"
#include "dray/transfer/progress.h"

namespace dray::cli {

/// The fields that the last object of every command on a release holds: name, version, uri, commit,
/// root_digest, changed; further ones are added by the caller.
nlohmann::json release_json(const Manifest& manifest, const std::string& uri, bool changed);
/// "hf://org/model@main", or the plain URI where there is no revision.
std::string origin_text(const Origin& origin);
/// Two columns below a headline.
void print_facts(Output& out, const std::vector<std::pair<std::string, std::string>>& facts);
/// One file of a plan or a release, as a row of a table.
struct FileRow {
  std::uint64_t size = 0;
  std::vector<std::string> cells;
};
inline constexpr std::size_t kMostRows = 40;
/// The files as a table. Of more than kMostRows the largest are shown and the others counted,
/// unless `all` (of --verbose): nobody reads ten thousand lines unasked.
void print_files(Output& out, std::vector<Table::Column> columns, std::vector<FileRow> files,
                 bool all);

/// "1.2 GiB in 3.2 s, 385.0 MiB/s".
std::string moved_text(std::uint64_t bytes, std::chrono::milliseconds time);

/// The same error with what is safe already and how to go on, if another run of the command can:
/// stops and failures that may pass. `where` is the place that holds the bytes, `again` the
/// command.
Error with_way_on(const Error& error, const ProgressView& view, const std::string& where,
                  const std::string& again);

}  // namespace dray::cli
