#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>

#include "dray/base/bytes.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/cli/commands.h"
#include "dray/cli/compression.h"
#include "dray/cli/context.h"
#include "dray/cli/found.h"
#include "dray/cli/report.h"
#include "dray/release/tensors.h"
#include "dray/release/versions.h"
#include "dray/store/layout.h"

namespace dray::cli {

namespace {

Json show_json(const VersionView& view, const std::string& uri) {
  const Manifest& manifest = view.manifest;
  Json json = release_json(manifest, uri, false);
  json["created"] = rfc3339(manifest.created);
  json["created_by"] = manifest.created_by;
  json["aliases"] = view.aliases;
  json["state"] = state_name(view.state);
  json["endpoint"] = manifest.origin.endpoint;
  json["license"] = manifest.info.license;
  json["library"] = manifest.info.library;
  json["task"] = manifest.info.pipeline_tag;
  json["base_models"] = manifest.info.base_models;
  json["lineage"] = manifest.lineage;
  json["transforms"] = manifest.transforms;
  json["allows"] = manifest.allows;
  json["bytes"] = manifest.total_bytes();
  Json files = Json::array();
  for (const auto& file : manifest.files) {
    Json row = {{"path", file.path}, {"size", file.size}, {"sha256", file.sha256}};
    if (!file.weights.empty()) row["weights"] = to_json(file.weights);
    files.push_back(std::move(row));
  }
  json["files"] = std::move(files);
  return json;
}

std::string lineage_text(const Manifest& manifest, const char* key) {
  const auto found = manifest.lineage.find(key);
  return found != manifest.lineage.end() && found->is_string() ? found->get<std::string>() : "";
}

/// "llama:1.0.0 in s3://staging".
std::string copied_text(const Manifest& manifest) {
  const auto found = manifest.lineage.find("copied_from");
  if (found == manifest.lineage.end() || !found->is_object()) return "";
  const auto text = [&](const char* key) {
    return find_string(*found, key, "lineage").value_or("?");
  };
  return fmt::format("{}:{} in {}", text("name"), text("version"), text("store"));
}

/// "archived at … by … (why)"; "" for a live one.
std::string state_text(const VersionView& view) {
  if (view.state == VersionState::live || !view.change) return "";
  const VersionChange& change = *view.change;
  return fmt::format("{} at {} by {}{}", state_name(view.state), rfc3339(change.time), change.actor,
                     change.reason.empty() ? "" : fmt::format(" ({})", change.reason));
}

Json tensors_json(const std::vector<ReleaseTensor>& tensors) {
  const auto number = [](const std::optional<double>& value) {
    return value ? Json(*value) : Json();
  };
  Json out = Json::array();
  for (const ReleaseTensor& tensor : tensors)
    out.push_back({{"name", tensor.info.name},
                   {"dtype", tensor.info.dtype},
                   {"shape", tensor.info.shape},
                   {"bytes", tensor.info.data.length},
                   {"file", tensor.file},
                   {"relative_error", number(tensor.relative_error)},
                   {"cosine", number(tensor.cosine)}});
  return out;
}

/// Those that lost most first, so that a bad layer shows; the others as they lie.
void print_tensors(Output& out, std::vector<ReleaseTensor> tensors, bool all) {
  std::ranges::stable_sort(tensors, std::ranges::greater(), [](const ReleaseTensor& tensor) {
    return tensor.relative_error.value_or(-1);
  });
  const bool quantized = !tensors.empty() && tensors.front().relative_error.has_value();
  const std::size_t shown = all ? tensors.size() : std::min(tensors.size(), kMostRows);
  Table table{{{"TENSOR", false, true}, {"DTYPE"}, {"SHAPE"}, {"SIZE", true}}, {}};
  if (quantized) table.columns.insert(table.columns.end(), {{"ERROR", true}, {"COSINE", true}});
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& [file, info, error, cosine] = tensors[i];
    table.rows.push_back({info.name, info.dtype, fmt::format("{}", fmt::join(info.shape, " × ")),
                          human_size(info.data.length)});
    if (!quantized) continue;
    table.rows.back().push_back(error ? fmt::format("{:.2f} %", *error * 100) : "");
    table.rows.back().push_back(cosine ? fmt::format("{:.6f}", *cosine) : "");
  }
  out.line("");
  out.table(table);
  if (shown < tensors.size())
    out.line(fmt::format("and {} more tensors (-v shows all, --json too)", tensors.size() - shown));
}

/// An image that dray did not make: what can be told without reading it.
int show_image(Context& context, const std::string& ref, Source& image) {
  Snapshot snapshot;
  {
    ShownProgress shown(context, ref);
    shown.get().phase("reading what the image holds");
    snapshot = image.snapshot(context.stop());
  }
  Json files = Json::array();
  std::vector<FileRow> rows;
  for (const FileEntry& file : snapshot.files) {
    const std::string& sha256 = file.digests.sha256;
    files.push_back({{"path", file.path}, {"size", file.size}, {"sha256", sha256}});
    rows.push_back({file.size, {file.path, human_size(file.size), sha256.substr(0, 16)}});
  }
  Output& out = context.out();
  out.json({{"uri", ref},
            {"made_by_dray", false},
            {"digest", snapshot.origin.commit},
            {"license", snapshot.info.license},
            {"bytes", snapshot.total_bytes()},
            {"files", std::move(files)},
            {"changed", false}});
  if (out.is_quiet()) {
    for (const FileEntry& file : snapshot.files) out.line(printable(file.path));
    return 0;
  }
  out.line(out.strong(printable(ref)));
  print_facts(out, {{"made by", "another tool: there is no record of where it comes from"},
                    {"digest", snapshot.origin.commit},
                    {"size", fmt::format("{}, {}", human_size(snapshot.total_bytes()),
                                         count_of(snapshot.files.size(), "file"))},
                    {"licence", snapshot.info.license}});
  out.line("");
  print_files(out, {{"FILE", false, true}, {"SIZE", true}, {"SHA-256"}}, std::move(rows),
              context.args().times("verbose") > 0);
  return 0;
}

int run(Context& context) {
  const std::string ref = context.args().positional(0);
  Found found;
  const bool with_tensors = context.args().flag("tensors");
  VersionView view;
  std::vector<ReleaseTensor> tensors;
  {
    ShownProgress shown(context, ref);
    shown.get().phase("reading the catalogue");
    found = find(context, ref);
    if (found.manifest) view = view_of(*found.store, *found.manifest, context.stop());
    if (found.manifest && with_tensors) {
      shown.get().phase("reading the files' headers");
      tensors = tensors_of(*found.store, view.manifest, context.place(), context.stop());
    }
  }
  if (found.image) return show_image(context, ref, *found.image);
  const Manifest& manifest = view.manifest;
  const std::string uri =
      found.store->serving_uri(release_prefix(manifest.name, manifest.version, context.place()));
  Output& out = context.out();
  Json json = show_json(view, uri);
  if (with_tensors) json["tensors"] = tensors_json(tensors);
  out.json(json);
  if (out.is_quiet()) {
    for (const auto& file : manifest.files) out.line(printable(file.path));
    return 0;
  }
  out.line(out.strong(fmt::format("{}:{}", manifest.name, manifest.version)));
  const ModelInfo& info = manifest.info;
  print_facts(out,
              {{"where", uri},
               {"source", origin_text(manifest.origin)},
               {"endpoint", manifest.origin.endpoint},
               {"commit", manifest.origin.commit},
               {"root digest", manifest.root_digest},
               {"size", fmt::format("{}, {}", human_size(manifest.total_bytes()),
                                    count_of(manifest.files.size(), "file"))},
               {"made", fmt::format("{} by {}", rfc3339(manifest.created), manifest.created_by)},
               {"state", state_text(view)},
               {"aliases", fmt::format("{}", fmt::join(view.aliases, ", "))},
               {"licence", info.license},
               {"task", info.pipeline_tag},
               {"base models", fmt::format("{}", fmt::join(info.base_models, ", "))},
               {lineage_text(manifest, "base_model_relation") == "quantized" ? "quantized from"
                                                                             : "adapter of",
                lineage_text(manifest, "base_model")},
               {"compressed", transforms_text(manifest)},
               {"copied from", copied_text(manifest)},
               {"allowed", fmt::format("{}", fmt::join(manifest.allows, ", "))}});
  const bool all = context.args().times("verbose") > 0;
  if (with_tensors) {
    print_tensors(out, std::move(tensors), all);
    return 0;
  }
  std::vector<FileRow> rows;
  for (const auto& file : manifest.files)
    rows.push_back({file.size, {file.path, human_size(file.size), file.sha256.substr(0, 16)}});
  out.line("");
  print_files(out, {{"FILE", false, true}, {"SIZE", true}, {"SHA-256"}}, std::move(rows), all);
  return 0;
}

}  // namespace

Command show_command() {
  return {
      .name = "show",
      .group = "Look",
      .summary = "show a release: origin, digests, state, aliases, files",
      .positionals = {{"REF", kRefHelp}},
      .options = join({store_options(),
                       {{.name = "tensors",
                         .value = "",
                         .help = "its tensors instead of its files; of a quantized model, those "
                                 "that lost most first"}}}),
      .examples = {{"dray show llama", "the newest version"},
                   {"dray show llama --tensors",
                    "how far each quantized weight is from what "
                    "it was"},
                   {"dray show llama@production --json", "all of it, whole digests too"},
                   {"dray show oci://quay.io/org/modelcar:1.0", "an image, whoever made it"}},
      .run = run};
}

}  // namespace dray::cli
