#include "dray/release/aliases.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>
#include <vector>

#include "dray/base/error.h"
#include "dray/base/failpoint.h"
#include "dray/base/log.h"
#include "dray/store/version_log.h"

namespace dray {

namespace {

std::string release_text(std::string_view name, std::string_view version) {
  return fmt::format("{}:{}", name, version);
}
std::string alias_text(std::string_view name, std::string_view alias) {
  return fmt::format("{}@{}", name, alias);
}

/// An alias is for what is served: nothing that is put away, or on its way out.
void check_may_be_pointed_to(Store& store, const Manifest& manifest, std::string_view verb,
                             const std::stop_token& stop) {
  const auto change = find_version_change(store, manifest.name, manifest.version, stop);
  if (!change || change->state == VersionState::live) return;
  const bool archived = change->state == VersionState::archived;
  const std::string release = release_text(manifest.name, manifest.version);
  throw Error(Code::conflict, archived ? fmt::format("it is archived, by {}", change->actor)
                                       : "its removal has begun and is not finished")
      .on(std::string(verb), release)
      .hint(archived ? fmt::format("`dray restore {}` first", release)
                     : fmt::format("`dray restore {}` to keep it, `dray rm {} --yes` to finish",
                                   release, release));
}

/// A removal looks for aliases after it took the manifest away, and we look for the manifest after
/// the move: at least one of the two sees the other.
void check_still_there(Store& store, const AliasMove& move, const std::stop_token& stop) {
  if (find_manifest(store, move.name, move.version, stop)) return;
  const auto history = alias_history(store, move.name, move.alias, stop);
  if (!history.empty() && history.back().id == move.id)
    undo_move(store, history, history.back(),
              {move.actor, move.actor_source, "the release was removed at the same time"}, stop);
  throw Error(Code::conflict, "the release was removed at the same time")
      .on("promote", release_text(move.name, move.version))
      .from(Side::destination)
      .hint(fmt::format("`dray restore {}` brings it back", release_text(move.name, move.version)));
}

Error nothing_before(const RollbackRequest& request, const std::vector<AliasMove>& history) {
  const std::string alias = alias_text(request.name, request.alias);
  return Error(Code::not_found, history.empty() ? "there is no such alias"
                                                : "there is nothing to go back to: before this it "
                                                  "pointed nowhere")
      .on("roll back", alias)
      .hint(history.empty()
                ? fmt::format("`dray list {}` shows its aliases", request.name)
                : fmt::format("`dray history {}` shows its moves; `dray promote` lets it point to "
                              "any version",
                              request.name));
}

/// The release that the alias is to go back to.
Manifest target_of(const RollbackRequest& request, const std::string& version,
                   const std::stop_token& stop) {
  if (auto manifest = find_manifest(*request.store, request.name, version, stop)) {
    if (request.check != BytesCheck::none)
      check_may_be_pointed_to(*request.store, *manifest, "roll back to", stop);
    return *std::move(manifest);
  }
  const auto change = find_version_change(*request.store, request.name, version, stop);
  const bool can_return = change && change->state == VersionState::removed;
  const std::string release = release_text(request.name, version);
  throw Error(Code::not_found, "the version that it pointed to before is not there any more")
      .on("roll back to", release)
      .from(Side::destination)
      .hint(can_return
                ? fmt::format("`dray restore {}` brings it back", release)
                : fmt::format("`dray list {}` shows what can be promoted instead", request.name));
}

VerifyResult check_bytes(const RollbackRequest& request, const Manifest& manifest,
                         Progress& progress, const std::stop_token& stop) {
  VerifyResult result =
      verify_release(*request.store, manifest, request.place, request.check == BytesCheck::quick,
                     request.transfer, progress, stop);
  if (result.problems.empty()) return result;
  const FileProblem& first = result.problems.front();
  throw Error(Code::verification,
              fmt::format("its bytes are not intact: {}: {}{}", first.path, first.what,
                          result.problems.size() > 1
                              ? fmt::format(", and {} more", result.problems.size() - 1)
                              : ""))
      .on("roll back to", release_text(manifest.name, manifest.version))
      .from(Side::destination)
      .hint(fmt::format("{}`dray promote` another version, or go there all the same with --force",
                        request.check == BytesCheck::quick
                            ? "--verify full reads every byte before it judges; "
                            : ""));
}

}  // namespace

MovedAlias promote(Store& store, const Reference& reference, std::string_view alias,
                   const MoveNote& note, bool dry_run, const std::stop_token& stop) {
  check_name(alias, "name of an alias");
  MovedAlias out;
  out.manifest = resolve_release(store, reference, stop);
  check_may_be_pointed_to(store, out.manifest, "promote", stop);
  const std::string& name = out.manifest.name;
  if (dry_run) {
    const auto now = find_alias(store, name, alias, stop);
    out.previous = now ? now->version : "";
    out.changed = out.previous != out.manifest.version;
    return out;
  }
  const MoveResult result = move_alias(store, name, alias, out.manifest.version, note, stop);
  out.changed = result.appended;
  out.previous = result.appended ? result.move.previous : result.move.version;
  failpoint("alias-moved");
  if (result.appended) check_still_there(store, result.move, stop);
  return out;
}

RolledBack roll_back(const RollbackRequest& request, Progress& progress,
                     const std::stop_token& stop) {
  progress.phase("reading the history");
  const auto history = alias_history(*request.store, request.name, request.alias, stop);
  const AliasMove* undone = move_to_undo(history);
  if (undone == nullptr || undone->previous.empty()) throw nothing_before(request, history);
  RolledBack out;
  out.undone = *undone;
  out.moved.previous = history.back().version;
  out.moved.manifest = target_of(request, undone->previous, stop);
  if (request.check != BytesCheck::none)
    out.checked = check_bytes(request, out.moved.manifest, progress, stop);
  out.moved.changed = true;
  if (request.dry_run) return out;
  progress.phase("moving the alias");
  const AliasMove move = undo_move(*request.store, history, *undone, request.note, stop);
  failpoint("alias-moved");
  check_still_there(*request.store, move, stop);
  return out;
}

std::string only_alias(Store& store, std::string_view name, const std::stop_token& stop) {
  const auto moves = list_aliases(store, name, stop);
  if (moves.size() == 1) return moves.front().alias;
  if (moves.empty()) {
    resolve_release(store, {std::string(name), "", ""}, stop);  // says so if there is no such model
    throw Error(Code::not_found, "it has no alias")
        .on("roll back", std::string(name))
        .hint(fmt::format("`dray promote {} production` sets one", name));
  }
  std::vector<std::string> names;
  for (const auto& move : moves) names.push_back(move.alias);
  throw Error(Code::usage, fmt::format("it has several aliases: {}", fmt::join(names, ", ")))
      .on("roll back", std::string(name))
      .hint(fmt::format("say which: dray rollback {} {}", name, names.front()));
}

std::string drop_alias(Store& store, std::string_view name, std::string_view alias,
                       const MoveNote& note, bool dry_run, const std::stop_token& stop) {
  const auto now = find_alias(store, name, alias, stop);
  if (!now || now->version.empty())
    throw Error(Code::not_found, "there is no such alias")
        .on("remove", alias_text(name, alias))
        .hint(fmt::format("`dray list {}` shows its aliases", name));
  if (dry_run) return now->version;
  return move_alias(store, name, alias, "", note, stop).move.previous;
}

}  // namespace dray
