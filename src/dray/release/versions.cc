#include "dray/release/versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace dray {

namespace {

void add_aliases(VersionView& view, const std::vector<AliasMove>& moves) {
  for (const auto& move : moves)
    if (move.version == view.manifest.version) view.aliases.push_back(move.alias);
}

}  // namespace

std::vector<VersionView> versions_of(Store& store, std::string_view name, bool removed,
                                     const std::stop_token& stop) {
  const auto moves = list_aliases(store, name, stop);
  auto changes = version_changes(store, name, stop);
  std::vector<VersionView> out;
  for (const auto& version : list_versions(store, name, stop)) {
    auto manifest = find_manifest(store, name, version, stop);
    if (!manifest) continue;  // removed since it was listed
    VersionView view{.manifest = *std::move(manifest)};
    if (auto change = changes.extract(version)) {
      view.state = change.mapped().state;
      view.change = std::move(change.mapped());
    }
    add_aliases(view, moves);
    out.push_back(std::move(view));
  }
  if (!removed) return out;
  for (auto& [version, change] : changes) {
    if (change.state != VersionState::removed) continue;
    VersionView view{.manifest = parse_manifest(change.manifest,
                                                fmt::format("manifest of {}:{}", name, version)),
                     .state = change.state};
    view.change = std::move(change);
    out.push_back(std::move(view));
  }
  std::ranges::stable_sort(out, [](const VersionView& a, const VersionView& b) {
    return version_less(a.manifest.version, b.manifest.version);
  });
  return out;
}

VersionView view_of(Store& store, Manifest manifest, const std::stop_token& stop) {
  VersionView view{.manifest = std::move(manifest)};
  view.change = find_version_change(store, view.manifest.name, view.manifest.version, stop);
  if (view.change) view.state = view.change->state;
  add_aliases(view, list_aliases(store, view.manifest.name, stop));
  return view;
}

}  // namespace dray
