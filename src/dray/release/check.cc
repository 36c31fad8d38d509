#include "dray/release/check.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

#include "dray/base/error.h"
#include "dray/release/check_registry.h"
#include "dray/release/remove.h"
#include "dray/store/version_log.h"

namespace dray {

namespace {

using Sizes = std::map<std::string, std::uint64_t>;

class StoreCheck {
 public:
  StoreCheck(const CheckRequest& request, std::vector<Finding>& findings,
             const std::stop_token& stop)
      : request_(request), store_(*request.store), findings_(findings), stop_(stop) {}

  StoreContent run() {
    for (const Listed& object : store_.list(place_root(request_.place), stop_))
      sizes_[object.key] = object.size;
    std::set<std::string> names;
    for (auto& name : list_models(store_, stop_)) names.insert(std::move(name));
    for (auto& name : models_with_changes(store_, stop_)) names.insert(std::move(name));
    for (const auto& name : names) {
      guarded(name, [&] {
        const auto changes = version_changes(store_, name, stop_);
        for (const auto& version : versions_ever(store_, name, stop_)) {
          const auto change = changes.find(version);
          guarded(name + ":" + version, [&] {
            check_version(name, version, change == changes.end() ? nullptr : &change->second);
          });
        }
      });
      for (const auto& alias : alias_names(store_, name, stop_))
        guarded(name + "@" + alias, [&] { check_alias(name, alias); });
    }
    return std::move(content_);
  }

 private:
  /// A record that cannot be read is a finding, and the rest is looked at all the same.
  template <typename Body>
  void guarded(const std::string& object, Body body) {
    try {
      body();
    } catch (const Error& error) {
      if (error.code() != Code::malformed && error.code() != Code::unsupported) throw;
      content_.unreadable.insert(object);
      add("unreadable-record", object, error.what(),
          error.hint().empty() ? "restore it from a backup of the store" : error.hint());
    }
  }

  Finding& add(std::string kind, std::string object, std::string what, std::string fix) {
    findings_.push_back({std::move(kind), std::move(object), std::move(what), std::move(fix)});
    return findings_.back();
  }

  void check_version(const std::string& name, const std::string& version,
                     const VersionChange* change) {
    const VersionState state = change == nullptr ? VersionState::live : change->state;
    const bool should_be = state == VersionState::live || state == VersionState::archived;
    auto manifest = find_manifest(store_, name, version, stop_);
    if (manifest && !should_be) {
      mend("unfinished-removal", name, version,
           "its removal was recorded, but its manifest is still there",
           [](const auto& change_to, const auto& stop) {
             remove_release(change_to, std::chrono::seconds(0), stop);
           });
    } else if (!manifest && should_be) {
      mend("unfinished-restore", name, version,
           "its log says that it is there, but its manifest is not",
           [](const auto& change_to, const auto& stop) { restore_release(change_to, stop); });
    } else if (manifest) {
      check_files(*manifest);
    }
    if (!manifest) {
      content_.gone.emplace(name + ":" + version, state);
      return;
    }
    content_.releases.push_back({*std::move(manifest), state});
  }

  template <typename Change>
  void mend(const char* kind, const std::string& name, const std::string& version, const char* what,
            Change apply) {
    Finding& finding = add(kind, name + ":" + version, what, "");
    finding.can_fix = true;
    if (!request_.fix) return;
    ChangeRequest change{.store = &store_, .name = name, .version = version};
    change.note = request_.note;
    change.place = request_.place;
    try {
      apply(change, stop_);
      finding.fixed = true;
    } catch (const Error& error) {
      if (error.code() == Code::cancelled) throw;
      finding.can_fix = false;
      finding.fix = error.hint().empty() ? error.what() : error.hint();
    }
  }

  void check_files(const Manifest& manifest) {
    const std::string prefix = release_prefix(manifest.name, manifest.version, request_.place);
    std::size_t wrong = 0;
    std::string first;
    for (const ManifestFile& file : manifest.files) {
      const auto there = sizes_.find(prefix + file.path);
      if (there != sizes_.end() && there->second == file.size) continue;
      if (wrong++ == 0)
        first = there == sizes_.end() ? file.path + " is missing"
                                      : fmt::format("{} has {} bytes instead of {}", file.path,
                                                    there->second, file.size);
    }
    if (wrong == 0) return;
    add("files-missing", fmt::format("{}:{}", manifest.name, manifest.version),
        wrong == 1 ? first
                   : fmt::format("{}, and {} more files are not as recorded", first, wrong - 1),
        "import the same source again under a new version; `dray rm` removes this one");
  }

  void check_alias(const std::string& name, const std::string& alias) {
    const auto move = find_alias(store_, name, alias, stop_);
    if (!move || move->version.empty()) return;
    content_.aliases[name][alias] = move->version;
    if (find_manifest(store_, name, move->version, stop_)) return;
    add("alias-to-nothing", name + "@" + alias,
        fmt::format("it points to {}, which is not there", move->version),
        fmt::format("`dray restore {}:{}`, `dray rollback {} {}` or `dray promote` another version",
                    name, move->version, name, alias));
  }

  const CheckRequest& request_;
  Store& store_;
  std::vector<Finding>& findings_;
  const std::stop_token& stop_;
  Sizes sizes_;
  StoreContent content_;
};

}  // namespace

std::vector<Finding> check_catalog(const CheckRequest& request, const std::stop_token& stop) {
  std::vector<Finding> findings;
  const StoreContent content = StoreCheck(request, findings, stop).run();
  if (request.registry != nullptr) check_registry(request, content, findings, stop);
  return findings;
}

}  // namespace dray
