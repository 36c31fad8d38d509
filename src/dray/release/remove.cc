#include "dray/release/remove.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>

#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/release/publish.h"

namespace dray {

namespace {

std::string text_of(const ChangeRequest& request) {
  return fmt::format("{}:{}", request.name, request.version);
}

bool is_there(VersionState state) {
  return state == VersionState::live || state == VersionState::archived;
}

struct Found {
  std::optional<Manifest> manifest;
  std::optional<VersionChange> last;
  VersionState state() const { return last ? last->state : VersionState::live; }
  std::uint64_t seq() const { return last ? last->seq : 0; }
};

Found look(const ChangeRequest& request, const std::stop_token& stop) {
  check_name(request.name, "model name");
  check_name(request.version, "version");
  Found found;
  found.last = find_version_change(*request.store, request.name, request.version, stop);
  found.manifest = find_manifest(*request.store, request.name, request.version, stop);
  if (!found.manifest && !found.last)
    resolve_release(*request.store, {request.name, request.version, ""}, stop);  // throws
  return found;
}

std::vector<std::string> holders(const ChangeRequest& request, const std::stop_token& stop) {
  std::vector<std::string> out;
  for (const auto& move : list_aliases(*request.store, request.name, stop))
    if (move.version == request.version) out.push_back(move.alias);
  return out;
}

Error held(const ChangeRequest& request, const std::vector<std::string>& aliases,
           std::string_view verb) {
  return Error(Code::conflict, fmt::format("{} {} to it", fmt::join(aliases, ", "),
                                           aliases.size() == 1 ? "points" : "point"))
      .on(std::string(verb), text_of(request))
      .from(Side::destination)
      .hint(fmt::format("`dray promote` another version to {}, or remove the alias with `dray rm "
                        "{}@{} --yes`",
                        aliases.front(), request.name, aliases.front()));
}

VersionChange record(const ChangeRequest& request, VersionState state) {
  VersionChange change;
  change.name = request.name;
  change.version = request.version;
  change.state = state;
  change.actor = request.note.actor;
  change.actor_source = request.note.actor_source;
  change.reason = request.note.reason;
  return change;
}

/// Live or archived: what it was before its last removal.
VersionState state_before_removal(const std::vector<VersionChange>& history) {
  bool removed = false;
  for (auto change = history.rbegin(); change != history.rend(); ++change) {
    if (removed && is_there(change->state)) return change->state;
    removed = removed || change->state == VersionState::removed;
  }
  return VersionState::live;
}

void write_manifest(Store& store, const VersionChange& removal, const std::stop_token& stop) {
  const std::string key = manifest_key(removal.name, removal.version);
  if (store.state().create_if_absent(key, removal.manifest, stop)) return;
  if (store.state().get(key, stop) == removal.manifest) return;
  throw Error(Code::conflict, "another manifest is there meanwhile")
      .on("restore", fmt::format("{}:{}", removal.name, removal.version))
      .from(Side::destination)
      .hint("`dray history` tells what happened to it");
}

/// A version whose log says that it is there, and whose manifest is not: an interrupted restore, if
/// it was removed before.
ChangeResult finish_restore(const ChangeRequest& request, const VersionChange& removal,
                            VersionState state, const std::stop_token& stop) {
  if (!request.dry_run) write_manifest(*request.store, removal, stop);
  return {parse_manifest(removal.manifest, text_of(request)), VersionState::removed, state, true,
          0};
}

/// The release as it was, because an alias was moved to it while it was taken away.
void take_back(const ChangeRequest& request, const VersionChange& removal,
               const std::vector<std::string>& aliases, VersionState before,
               const std::stop_token& stop) {
  VersionChange change = record(request, before);
  change.reason = "an alias was moved to it at the same time";
  append_version_change(*request.store, std::move(change), removal.seq, stop);
  write_manifest(*request.store, removal, stop);
  throw held(request, aliases, "remove");
}

}  // namespace

ChangeResult archive_release(const ChangeRequest& request, const std::stop_token& stop) {
  Found found = look(request, stop);
  if (!found.manifest || !is_there(found.state()))
    throw Error(Code::not_found, "it was removed")
        .on("archive", text_of(request))
        .hint(fmt::format("`dray restore {}` first", text_of(request)));
  ChangeResult result{*std::move(found.manifest), found.state(), VersionState::archived};
  if (result.before == VersionState::archived) return result;
  if (const auto aliases = holders(request, stop); !aliases.empty())
    throw held(request, aliases, "archive");
  result.changed = true;
  if (!request.dry_run)
    append_version_change(*request.store, record(request, VersionState::archived), found.seq(),
                          stop);
  return result;
}

ChangeResult remove_release(const ChangeRequest& request, std::chrono::seconds grace,
                            const std::stop_token& stop) {
  Store& store = *request.store;
  Found found = look(request, stop);
  ChangeResult result{{}, found.state(), VersionState::removed};
  if (!found.manifest) {
    if (is_there(found.state()))
      throw Error(Code::conflict, "its manifest is missing, and its log does not say why")
          .on("remove", text_of(request))
          .hint(fmt::format("`dray restore {}` brings it back if it was removed before",
                            text_of(request)));
    const VersionChange removal = find_removal(store, request.name, request.version, stop);
    result.manifest = parse_manifest(removal.manifest, text_of(request));
    result.now = found.state();
    result.purge_after = removal.purge_after;
    return result;
  }
  result.manifest = *std::move(found.manifest);
  if (const auto aliases = holders(request, stop); !aliases.empty())
    throw held(request, aliases, "remove");
  result.changed = true;
  result.purge_after = unix_now() + grace.count();
  if (request.dry_run) return result;

  VersionChange removal;
  if (is_there(found.state())) {
    removal = record(request, VersionState::removed);
    removal.purge_after = result.purge_after;
    removal.place = request.place;
    removal.manifest = to_json_text(result.manifest);
    if (auto text = store.state().get(manifest_key(request.name, request.version), stop))
      removal.manifest = *std::move(text);  // as it is, with what a later dray may have put there
    removal = append_version_change(store, std::move(removal), found.seq(), stop);
  } else {  // one that was interrupted: its record counts
    removal = find_removal(store, request.name, request.version, stop);
    result.purge_after = removal.purge_after;
  }
  failpoint("version.removal-recorded");
  store.state().remove(manifest_key(request.name, request.version), stop);
  failpoint("version.manifest-removed");
  if (const auto aliases = holders(request, stop); !aliases.empty())
    take_back(request, removal, aliases, result.before, stop);
  return result;
}

ChangeResult restore_release(const ChangeRequest& request, const std::stop_token& stop) {
  Store& store = *request.store;
  Found found = look(request, stop);
  const VersionState state = found.state();
  if (found.manifest && state == VersionState::live)
    return {*std::move(found.manifest), state, state};
  if (found.manifest && state == VersionState::archived) {
    if (!request.dry_run)
      append_version_change(store, record(request, VersionState::live), found.seq(), stop);
    return {*std::move(found.manifest), state, VersionState::live, true, 0};
  }
  const auto history = version_history(store, request.name, request.version, stop);
  const VersionChange removal = find_removal(store, request.name, request.version, stop);
  if (is_there(state)) return finish_restore(request, removal, state, stop);
  if (state != VersionState::removed)
    throw Error(Code::not_found, "its files are gone: the time of grace is over")
        .on("restore", text_of(request))
        .hint("import it again, as a new version");
  ChangeResult result{parse_manifest(removal.manifest, text_of(request)), state,
                      state_before_removal(history), true, 0};
  check_prefix(store, result.manifest, removal.place, stop);
  if (request.dry_run) return result;
  // The record first: it and a purge exclude each other.
  append_version_change(store, record(request, result.now), found.seq(), stop);
  failpoint("version.restore-recorded");
  write_manifest(store, removal, stop);
  return result;
}

}  // namespace dray
