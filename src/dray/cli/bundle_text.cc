#include "dray/cli/bundle_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/cli/report.h"

namespace dray::cli {

std::string files_text(std::uint64_t files, std::uint64_t bytes) {
  return fmt::format("{}, {}", count_of(files, "file"), human_size(bytes));
}

nlohmann::json bundle_json(const BundleRecord& record, const std::filesystem::path& path) {
  Json releases = Json::array();
  for (const BundleRelease& release : record.releases)
    releases.push_back({{"name", release.name},
                        {"version", release.version},
                        {"root_digest", release.root_digest},
                        {"files", release.files.size()},
                        {"whole", release.whole()},
                        {"bytes_here", release.bytes_here()}});
  Json needs = Json::array();
  for (const EarlierBundle& earlier : record.needs)
    needs.push_back({{"id", earlier.id}, {"name", earlier.name}, {"releases", earlier.releases}});
  return {{"bundle", path.string()},
          {"id", record.id},
          {"source", record.store},
          {"releases", std::move(releases)},
          {"files", record.files_here()},
          {"bytes", record.bytes_here()},
          {"files_left_out", record.files_left_out()},
          {"bytes_left_out", record.bytes_left_out()},
          {"needs", std::move(needs)},
          {"volumes", record.volumes ? Json(record.volumes->list.size()) : Json()}};
}

void print_bundle(Output& out, const BundleRecord& record) {
  for (const BundleRelease& release : record.releases) {
    std::size_t here = 0;
    std::uint64_t bytes = 0;
    for (const BundleFile& file : release.files) {
      if (file.in.empty()) ++here;
      bytes += file.size;
    }
    std::string line =
        fmt::format("  {}  {}", release.reference(), files_text(release.files.size(), bytes));
    if (!release.whole())
      line += fmt::format(", of which here: {}", files_text(here, release.bytes_here()));
    out.line(line);
  }
  if (record.needs.empty()) return;
  out.line(fmt::format("left out: {}, which these bundles hold:",
                       files_text(record.files_left_out(), record.bytes_left_out())));
  for (const EarlierBundle& earlier : record.needs)
    out.line(printable(
        fmt::format("  {} ({})  {}", earlier.name, fmt::join(earlier.releases, ", "), earlier.id)));
}

}  // namespace dray::cli
