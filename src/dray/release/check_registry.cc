#include "dray/release/check_registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
#include <utility>

#include "dray/base/error.h"
#include "dray/release/project.h"

namespace dray {

namespace {

std::string bare(std::string uri) {
  while (uri.ends_with('/')) uri.pop_back();
  return uri;
}

class RegistryCheck {
 public:
  RegistryCheck(const CheckRequest& request, const StoreContent& content,
                std::vector<Finding>& findings, const std::stop_token& stop)
      : request_(request),
        store_(*request.store),
        registry_(*request.registry),
        content_(content),
        findings_(findings),
        stop_(stop) {}

  void run() {
    for (auto& entry : registry_.list(stop_))
      entries_.emplace(entry.name + ":" + entry.version, std::move(entry));
    for (const auto& release : content_.releases) check_release(release);
    check_entries();
    for (const auto& name : wrong_aliases_) {
      add("wrong-aliases", name, "the registry shows other aliases than the store has",
          [&] { project_aliases(store_, registry_, name, stop_); });
    }
  }

 private:
  /// A finding; `mend` mends it, none: it cannot be mended without guessing.
  void add(std::string kind, std::string object, std::string what,
           const std::function<void()>& mend, std::string fix = "") {
    Finding finding{std::move(kind), std::move(object), std::move(what), std::move(fix)};
    finding.can_fix = mend != nullptr;
    if (mend != nullptr && request_.fix) {
      const auto failed = told(mend);
      finding.fixed = !failed;
      finding.can_fix = !failed;
      if (failed) finding.fix = failed->what();
    }
    findings_.push_back(std::move(finding));
  }

  std::string uri_of(const Manifest& manifest) {
    return store_.serving_uri(release_prefix(manifest.name, manifest.version, request_.place));
  }

  void check_release(const KnownRelease& release) {
    const Manifest& manifest = release.manifest;
    const std::string name = manifest.name + ":" + manifest.version;
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      add("release-without-entry", name, "the registry does not know it",
          [&] { project_release(store_, registry_, manifest, request_.place, stop_); });
      return;
    }
    const RegisteredVersion& entry = found->second;
    const auto digest = entry.properties.find("root_digest");
    if (digest != entry.properties.end() && digest->second != manifest.root_digest) {
      if (is_here(entry))
        add("entry-of-other-content", name,
            fmt::format("the registry states {}, the store holds {}", digest->second,
                        manifest.root_digest),
            nullptr, "find out which of the two is meant; a version never changes");
      return;
    }
    if (!has_uri(entry, uri_of(manifest))) {
      add(
          "wrong-uri", name,
          fmt::format("the registry says that it lies at {}, not at {}", entry.uri,
                      uri_of(manifest)),
          digest == entry.properties.end()
              ? std::function<void()>()
              : [&] { registry_.put(registration_of(manifest, uri_of(manifest)), stop_); },
          digest == entry.properties.end() ? "the entry states no root digest: compare the two, "
                                             "then correct it in the registry"
                                           : "");
    }
    check_state(entry, release.state);
    check_labels(entry);
  }

  void check_state(const RegisteredVersion& entry, VersionState state) {
    const std::string right = registry_state(state);
    if (entry.state == right) return;
    add("wrong-state", entry.name + ":" + entry.version,
        fmt::format("the registry shows it as {}, in the store it is {}", entry.state,
                    state_name(state)),
        [this, &entry, right] { registry_.set_state(entry.name, entry.version, right, stop_); });
  }

  /// Aliases are shown as empty properties "@alias".
  void check_labels(const RegisteredVersion& entry) {
    std::set<std::string> shown, right;
    for (const auto& [property, value] : entry.properties)
      if (property.starts_with('@') && value.empty()) shown.insert(property.substr(1));
    const auto aliases = content_.aliases.find(entry.name);
    if (aliases != content_.aliases.end())
      for (const auto& [alias, version] : aliases->second)
        if (version == entry.version) right.insert(alias);
    if (shown != right) wrong_aliases_.insert(entry.name);
  }

  /// Entries of this store without a release.
  void check_entries() {
    std::set<std::string> there = content_.unreadable;
    for (const auto& release : content_.releases)
      there.insert(release.manifest.name + ":" + release.manifest.version);
    for (const auto& [name, entry] : entries_) {
      if (there.contains(name) || !is_here(entry)) continue;
      const auto gone = content_.gone.find(name);
      if (gone != content_.gone.end()) {
        check_state(entry, gone->second);
        check_labels(entry);
      } else if (entry.state != "ARCHIVED") {
        add("entry-without-release", name,
            fmt::format("the registry says that it lies at {}; the store has no such release",
                        entry.uri),
            nullptr, "`dray adopt` if its files are there; else archive the entry in the registry");
      }
    }
  }

  static bool has_uri(const RegisteredVersion& entry, const std::string& uri) {
    const auto same = [&](const std::string& other) { return bare(other) == bare(uri); };
    return same(entry.uri) || std::ranges::any_of(entry.other_uris, same);
  }

  bool is_here(const RegisteredVersion& entry) {
    const std::string root = store_.serving_uri(place_root(request_.place));
    const auto below = [&](const std::string& uri) { return uri.starts_with(root); };
    return below(entry.uri) || std::ranges::any_of(entry.other_uris, below);
  }

  const CheckRequest& request_;
  Store& store_;
  Registry& registry_;
  const StoreContent& content_;
  std::vector<Finding>& findings_;
  const std::stop_token& stop_;
  std::map<std::string, RegisteredVersion> entries_;
  std::set<std::string> wrong_aliases_;
};

}  // namespace

void check_registry(const CheckRequest& request, const StoreContent& content,
                    std::vector<Finding>& findings, const std::stop_token& stop) {
  RegistryCheck(request, content, findings, stop).run();
}

}  // namespace dray
