#include "dray/cli/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "dray/base/bytes.h"
#include "dray/base/json.h"

namespace dray::cli {

nlohmann::json release_json(const Manifest& manifest, const std::string& uri, bool changed) {
  return {{"name", manifest.name},
          {"version", manifest.version},
          {"uri", uri},
          {"commit", manifest.origin.commit},
          {"root_digest", manifest.root_digest},
          {"changed", changed},
          {"source", manifest.origin.uri},
          {"revision", manifest.origin.revision},
          {"files", manifest.files.size()},
          {"bytes", manifest.total_bytes()}};
}

std::string origin_text(const Origin& origin) {
  return origin.revision.empty() ? origin.uri : fmt::format("{}@{}", origin.uri, origin.revision);
}

void print_facts(Output& out, const std::vector<std::pair<std::string, std::string>>& facts) {
  std::size_t width = 0;
  for (const auto& fact : facts) width = std::max(width, display_width(fact.first));
  for (const auto& [name, value] : facts)
    if (!value.empty()) out.line(fmt::format("  {}  {}", pad(name, width), printable(value)));
}

void print_files(Output& out, std::vector<Table::Column> columns, std::vector<FileRow> files,
                 bool all) {
  std::size_t shown = files.size();
  if (!all && files.size() > kMostRows) {
    shown = kMostRows / 2;
    std::ranges::stable_sort(files, std::ranges::greater(), &FileRow::size);
  }
  Table table{std::move(columns), {}};
  for (std::size_t i = 0; i < shown; ++i) table.rows.push_back(std::move(files[i].cells));
  out.table(table);
  if (shown == files.size()) return;
  std::uint64_t bytes = 0;
  for (std::size_t i = shown; i < files.size(); ++i) bytes += files[i].size;
  out.line(fmt::format("and {} more files, {} (-v shows all, --json too)", files.size() - shown,
                       human_size(bytes)));
}

std::string moved_text(std::uint64_t bytes, std::chrono::milliseconds time) {
  const double s = std::max(0.001, static_cast<double>(time.count()) / 1000);
  return fmt::format("{} in {}, {}/s", human_size(bytes), human_duration(time),
                     human_size(static_cast<std::uint64_t>(static_cast<double>(bytes) / s)));
}

Error with_way_on(const Error& error, const ProgressView& view, const std::string& where,
                  const std::string& again) {
  const bool stopped = error.code() == Code::cancelled;
  if (!stopped && !error.retryable()) return error;
  // Bytes count once they are both proved and stored.
  const std::uint64_t kept = view.stored + view.reused;
  const std::uint64_t safe = kept == 0 ? view.verified : std::min(view.verified, kept);
  std::string way = fmt::format("run the same command to continue: {}", again);
  if (safe > 0)
    way = fmt::format("{} of {} are safe in {}; {}", human_size(safe), human_size(view.total_bytes),
                      where, way);
  if (stopped)
    return Error(Code::cancelled,
                 fmt::format("Stopped. {}{}", safe > 0 ? "" : "R", safe > 0 ? way : way.substr(1)));
  return Error(error).hint(error.hint().empty() ? way : fmt::format("{}; {}", error.hint(), way));
}

}  // namespace dray::cli
