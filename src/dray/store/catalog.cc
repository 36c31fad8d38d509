#include "dray/store/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/base/similar.h"
#include "dray/store/layout.h"
#include "dray/store/version_log.h"

namespace dray {

namespace {

constexpr std::uint64_t kLayoutVersion = 1;
constexpr std::string_view kLayoutFormat = "dray-store";
constexpr std::string_view kJson = ".json";
constexpr std::size_t kMostShown = 8;

std::string joined(const std::vector<std::string>& items, std::string_view prefix) {
  // The newest are at the end, and those are what someone looks for.
  const std::size_t begin = items.size() > kMostShown ? items.size() - kMostShown : 0;
  std::string out = begin > 0 ? "…" : "";
  for (std::size_t i = begin; i < items.size(); ++i) {
    if (!out.empty()) out += ", ";
    out += fmt::format("{}{}", prefix, items[i]);
  }
  return out;
}

/// The name that was probably meant, or "".
std::string closest(std::string_view wanted, const std::vector<std::string>& names) {
  const std::string folded = fold_name(wanted);
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, folded.size() / 4) + 1;
  for (const auto& name : names) {
    const std::size_t d = edit_distance(folded, fold_name(name));
    if (d < best_distance) {
      best = name;
      best_distance = d;
    }
  }
  return best;
}

Error unknown_model(Store& store, std::string_view name, const std::stop_token& stop) {
  const auto models = list_models(store, stop);
  std::string hint;
  if (models.empty()) {
    hint = fmt::format("{} holds no releases; dray import puts one there", store.properties().uri);
  } else if (const std::string close = closest(name, models); !close.empty()) {
    hint = fmt::format("did you mean {}?", close);
  } else {
    hint = fmt::format("dray list shows what is there: {}", joined(models, ""));
  }
  return Error(Code::not_found, "there is no such model")
      .on("find", fmt::format("{} in {}", name, store.properties().uri))
      .hint(std::move(hint));
}

/// Of a version that was there once; nullopt for others.
std::optional<Error> removed_release(Store& store, const Reference& reference,
                                     const std::string& message, const std::stop_token& stop) {
  if (reference.version.empty()) return std::nullopt;
  const auto change = find_version_change(store, reference.name, reference.version, stop);
  if (!change || change->state == VersionState::live || change->state == VersionState::archived)
    return std::nullopt;
  const bool can_return = change->state == VersionState::removed;
  return Error(Code::not_found, message)
      .on("find", fmt::format("{} in {}", reference.text(), store.properties().uri))
      .hint(fmt::format("it was removed by {} at {}; {}", change->actor, rfc3339(change->time),
                        can_return ? "`dray restore " + reference.text() + "` brings it back"
                                   : "its files are gone"));
}

/// What a bare name means: the newest version that is not archived.
std::string newest_version(Store& store, const Reference& reference, const std::stop_token& stop) {
  const auto versions = list_versions(store, reference.name, stop);
  if (versions.empty()) throw unknown_model(store, reference.name, stop);
  const auto changes = version_changes(store, reference.name, stop);
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    const auto change = changes.find(*version);
    if (change == changes.end() || change->second.state == VersionState::live) return *version;
  }
  throw Error(Code::not_found, "all of its versions are archived")
      .on("find", fmt::format("{} in {}", reference.text(), store.properties().uri))
      .hint("name one: " + joined(versions, reference.name + ":"));
}

Error unknown_release(Store& store, const Reference& reference, std::string message,
                      const std::stop_token& stop) {
  if (auto removed = removed_release(store, reference, message, stop)) return *removed;
  const auto versions = list_versions(store, reference.name, stop);
  if (versions.empty()) return unknown_model(store, reference.name, stop);
  std::string hint = "there are " + joined(versions, reference.name + ":");
  if (!reference.alias.empty()) {
    std::vector<std::string> aliases;
    for (const auto& move : list_aliases(store, reference.name, stop))
      aliases.push_back(move.alias);
    hint = aliases.empty() ? "it has no aliases; " + hint
                           : fmt::format("its aliases are {}", joined(aliases, ""));
  }
  return Error(Code::not_found, std::move(message))
      .on("find", fmt::format("{} in {}", reference.text(), store.properties().uri))
      .hint(std::move(hint));
}

}  // namespace

void check_store_layout(Store& store, const std::stop_token& stop) {
  const auto text = store.state().get(layout_key(), stop);
  if (!text) return;
  const std::string what = fmt::format("{} of {}", layout_key(), store.properties().uri);
  const Json json = parse_json(*text, what);
  if (get_string(json, "format", what) != kLayoutFormat)
    throw Error(Code::malformed, "is not a description of a store").on("read", what);
  const std::uint64_t version = get_u64(json, "format_version", what);
  if (version > kLayoutVersion)
    throw Error(Code::unsupported, fmt::format("the store has layout {}, this dray knows layout {}",
                                               version, kLayoutVersion))
        .on("open", store.properties().uri)
        .hint("use the dray version that wrote it, or a later one");
}

std::optional<Manifest> find_manifest(Store& store, std::string_view name, std::string_view version,
                                      const std::stop_token& stop) {
  const std::string key = manifest_key(name, version);
  const auto text = store.state().get(key, stop);
  if (!text) return std::nullopt;
  const std::string what = fmt::format("manifest of {}:{}", name, version);
  Manifest manifest = parse_manifest(*text, what);
  if (manifest.name != name || manifest.version != version)
    throw Error(Code::malformed,
                fmt::format("it is the manifest of {}:{}", manifest.name, manifest.version))
        .on("read", what)
        .hint(fmt::format("{} was copied or renamed; import the release again", key));
  return manifest;
}

Manifest resolve_release(Store& store, const Reference& reference, const std::stop_token& stop) {
  std::string version = reference.version;
  if (!reference.alias.empty()) {
    const auto move = find_alias(store, reference.name, reference.alias, stop);
    if (!move || move->version.empty())
      throw unknown_release(store, reference, "there is no such alias", stop);
    version = move->version;
  } else if (version.empty()) {
    version = newest_version(store, reference, stop);
  }
  if (auto manifest = find_manifest(store, reference.name, version, stop)) return *manifest;
  throw unknown_release(
      store, reference,
      reference.alias.empty()
          ? "there is no such version"
          : fmt::format("the alias points to version {}, which is not there", version),
      stop);
}

std::vector<std::string> list_models(Store& store, const std::stop_token& stop) {
  return store.list_names(".dray/releases/", stop);
}

std::vector<std::string> list_versions(Store& store, std::string_view name,
                                       const std::stop_token& stop) {
  std::vector<std::string> out;
  for (auto& entry : store.list_names(manifest_prefix(name), stop)) {
    if (!entry.ends_with(kJson)) continue;
    entry.resize(entry.size() - kJson.size());
    out.push_back(std::move(entry));
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return version_less(a, b); });
  return out;
}

std::vector<std::string> versions_ever(Store& store, std::string_view name,
                                       const std::stop_token& stop) {
  std::vector<std::string> out = list_versions(store, name, stop);
  for (const auto& [version, change] : version_changes(store, name, stop)) out.push_back(version);
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return version_less(a, b); });
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void check_not_removed(Store& store, std::string_view name, std::string_view version,
                       const std::stop_token& stop) {
  const auto change = find_version_change(store, name, version, stop);
  if (!change || change->state == VersionState::live || change->state == VersionState::archived)
    return;
  throw Error(Code::conflict, fmt::format("this version was removed by {} at {}", change->actor,
                                          rfc3339(change->time)))
      .on("publish", fmt::format("{}:{}", name, version))
      .from(Side::destination)
      .hint(change->state == VersionState::removed
                ? fmt::format("bring it back with `dray restore {}:{}`, or choose another version",
                              name, version)
                : "a version never changes, so its number is not used again: choose another one "
                  "with --version");
}

bool publish_manifest(Store& store, const Manifest& manifest, const std::stop_token& stop) {
  const std::string key = manifest_key(manifest.name, manifest.version);
  const std::string text = to_json_text(manifest);
  check_not_removed(store, manifest.name, manifest.version, stop);
  // Twice: it may be removed between the two looks.
  for (int i = 0; i < 2; ++i) {
    if (store.state().create_if_absent(key, text, stop)) return true;
    const auto there = find_manifest(store, manifest.name, manifest.version, stop);
    if (!there) continue;
    const bool same_origin = there->origin.kind == manifest.origin.kind &&
                             there->origin.uri == manifest.origin.uri &&
                             there->origin.commit == manifest.origin.commit;
    if (same_origin && there->root_digest == manifest.root_digest) return false;
    throw Error(Code::conflict, same_origin
                                    ? fmt::format("it is there with other content ({}, not {})",
                                                  there->root_digest, manifest.root_digest)
                                    : fmt::format("it is there from {}", there->origin.uri))
        .on("publish", fmt::format("{}:{}", manifest.name, manifest.version))
        .from(Side::destination)
        .hint("a version never changes: choose another one with --version");
  }
  throw Error(Code::conflict, "its manifest is made and removed by someone else at the same time")
      .on("publish", fmt::format("{}:{}", manifest.name, manifest.version))
      .from(Side::destination)
      .transient();
}

}  // namespace dray
