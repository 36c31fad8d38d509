#include "dray/release/pull.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/cli/commands.h"
#include "dray/cli/context.h"
#include "dray/cli/found.h"
#include "dray/cli/report.h"
#include "dray/store/layout.h"

namespace dray::cli {

namespace {

/// What a dry run can tell without reading: which files are missing, which have the right size.
void print_plan(Output& out, const Manifest& manifest, const std::string& uri,
                const std::filesystem::path& folder, bool all) {
  std::vector<FileRow> rows;
  Json files = Json::array();
  std::uint64_t missing = 0;
  for (const auto& file : manifest.files) {
    std::error_code failed;
    const std::uint64_t size = std::filesystem::file_size(folder / file.path, failed);
    const bool there = !failed && size == file.size;
    if (!there) missing += file.size;
    rows.push_back({file.size,
                    {file.path, human_size(file.size),
                     there ? "same size: would be checked" : "would be fetched"}});
    files.push_back({{"path", file.path}, {"size", file.size}, {"present", there}});
  }
  Json json = release_json(manifest, uri, false);
  json["dry_run"] = true;
  json["bytes_to_fetch"] = missing;
  json["folder"] = folder.string();
  json["files"] = std::move(files);
  out.json(json);
  print_files(out, {{"FILE", false, true}, {"SIZE", true}, {"STATE"}}, std::move(rows), all);
  out.line(
      fmt::format("\n{} of {} to fetch", human_size(missing), human_size(manifest.total_bytes())));
}

/// What an image holds that dray did not make, in the words of a manifest: as far as it tells.
Manifest described(const Snapshot& snapshot, const std::string& uri) {
  Manifest out;
  out.name = snapshot.default_name;
  out.version = snapshot.origin.revision;
  out.origin = snapshot.origin;
  out.origin.uri = uri;
  for (const FileEntry& file : snapshot.files)
    out.files.push_back({.path = file.path, .size = file.size, .sha256 = file.digests.sha256});
  return out;
}

int run(Context& context) {
  const Args& args = context.args();
  const std::string ref = args.positional(0);
  const std::filesystem::path folder = expand_home(args.positional(1));
  Manifest manifest;
  std::string uri = ref;
  PullResult result;
  ProgressView stats;
  {
    ShownProgress shown(context, ref);
    try {
      const Found found = find(context, ref);
      const bool pulls = !args.flag("dry-run");
      if (found.manifest) {
        manifest = *found.manifest;
        uri = found.store->serving_uri(
            release_prefix(manifest.name, manifest.version, context.place()));
        if (pulls)
          result = pull_release(*found.store, manifest, context.place(), folder,
                                context.transfer_options(), shown.get(), context.stop());
      } else {
        const Snapshot snapshot = found.image->snapshot(context.stop());
        manifest = described(snapshot, found.store->properties().uri);
        if (pulls)
          result = pull_files(*found.image, snapshot, manifest.name, manifest.version, folder,
                              context.transfer_options(), shown.get(), context.stop());
      }
    } catch (...) {
      throw with_way_on(current_error(), shown.get().view(), folder.string(), context.again());
    }
    stats = shown.get().view();
  }
  Output& out = context.out();
  if (args.flag("dry-run")) {
    print_plan(out, manifest, uri, folder, args.times("verbose") > 0);
    return 0;
  }
  Json json = release_json(manifest, uri, result.fetched_files > 0);
  json["folder"] = folder.string();
  json["bytes_fetched"] = result.fetched_bytes;
  json["bytes_kept"] = result.kept_bytes;
  json["files_fetched"] = result.fetched_files;
  json["files_kept"] = result.kept_files;
  json["seconds"] = static_cast<double>(stats.elapsed.count()) / 1000;
  if (out.is_quiet()) {
    out.line(folder.string());
  } else {
    out.line(fmt::format("{} is in {}", out.strong(manifest.name + ":" + manifest.version),
                         printable(folder.string())));
    print_facts(out, {{"moved", result.fetched_bytes == 0
                                    ? "nothing"
                                    : moved_text(result.fetched_bytes, stats.elapsed)},
                      {"kept", fmt::format("{}, {}", count_of(result.kept_files, "file"),
                                           human_size(result.kept_bytes))},
                      {"root digest", manifest.root_digest}});
  }
  out.json(json);
  out.next(fmt::format("vllm serve {}", shell_word(folder.string())));
  return 0;
}

}  // namespace

Command pull_command() {
  return {
      .name = "pull",
      .group = "Move models",
      .summary = "bring a release back into a folder",
      .details =
          "Every file is checked against the manifest before it gets its name. Files that are "
          "already "
          "right are kept, others of the folder are left alone; after a stop the same command goes "
          "on.",
      .positionals = {{"REF", kRefHelp}, {"DIR", "the folder; made if absent"}},
      .options = join({store_options(),
                       {{.name = "dry-run", .value = "", .help = "print what would be fetched"}},
                       transfer_options()}),
      .examples = {{"dray pull llama@production ./llama", "the version in production"},
                   {"dray pull llama:1.0.0 /models/llama --store s3://bucket", "from S3"},
                   {"dray pull oci://quay.io/org/modelcar:1.0 ./model", "what is in an image"}},
      .run = run};
}

}  // namespace dray::cli
