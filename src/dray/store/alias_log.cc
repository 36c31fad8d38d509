// The alias log: format in docs/formats/alias-log.md.
#include <fmt/format.h>

#include <map>
#include <set>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/store/catalog.h"
#include "dray/store/dir_files.h"
#include "dray/store/layout.h"
#include "dray/store/record_log.h"

namespace dray {

namespace {

constexpr std::string_view kFormat = "dray-alias-move";
constexpr std::uint64_t kVersion = 1;

std::string shown(std::string_view name, std::string_view alias) {
  return fmt::format("{}@{}", name, alias);
}

RecordLog log_of(Store& store, std::string_view name, std::string_view alias) {
  return {store, alias_prefix(name, alias), shown(name, alias)};
}

AliasMove read_move(const RecordLog& log, std::string_view name, std::string_view alias,
                    std::uint64_t seq, const std::stop_token& stop) {
  const std::string what = log.name_of(seq);
  AliasMove move = parse_alias_move(log.read(seq, stop), what);
  if (move.seq != seq || move.name != name || move.alias != alias)
    throw Error(Code::malformed,
                fmt::format("it is move {} of {}", move.seq, shown(move.name, move.alias)))
        .on("read", what);
  return move;
}

/// The record that follows `last` in the log.
AliasMove next_move(std::string_view name, std::string_view alias,
                    const std::optional<AliasMove>& last, std::string_view version,
                    const MoveNote& note) {
  AliasMove move;
  move.seq = last ? last->seq + 1 : 1;
  move.name = name;
  move.alias = alias;
  move.version = version;
  move.previous = last ? last->version : "";
  move.actor = note.actor;
  move.actor_source = note.actor_source;
  move.reason = note.reason;
  move.time = unix_now();
  move.id = dir::random_id();
  return move;
}

}  // namespace

std::string alias_move_text(const AliasMove& move) {
  Json json = {{"format", kFormat},         {"format_version", kVersion}, {"seq", move.seq},
               {"name", move.name},         {"alias", move.alias},        {"version", move.version},
               {"previous", move.previous}, {"actor", move.actor},        {"reason", move.reason},
               {"time", rfc3339(move.time)}};
  if (!move.actor_source.empty()) json["actor_source"] = move.actor_source;
  if (!move.id.empty()) json["id"] = move.id;
  if (move.undoes != 0) json["undoes"] = move.undoes;
  return dump_json_pretty(json);
}

AliasMove parse_alias_move(std::string_view text, std::string_view what) {
  const Json json = parse_json(text, what, {.bytes = 1 << 20, .depth = 8});
  if (get_string(json, "format", what) != kFormat)
    throw Error(Code::malformed, "is not a move of an alias").on("read", std::string(what));
  if (const auto version = get_u64(json, "format_version", what); version > kVersion)
    throw Error(Code::unsupported,
                fmt::format("has format version {}, this dray reads up to {}", version, kVersion))
        .on("read", std::string(what))
        .hint("use a later version of dray");
  AliasMove move;
  move.seq = get_u64(json, "seq", what);
  move.name = get_string(json, "name", what);
  move.alias = get_string(json, "alias", what);
  move.version = get_string(json, "version", what);
  move.previous = get_string(json, "previous", what);
  move.actor = get_string(json, "actor", what);
  move.actor_source = find_string(json, "actor_source", what).value_or("");
  move.reason = get_string(json, "reason", what);
  move.id = find_string(json, "id", what).value_or("");
  move.undoes = find_u64(json, "undoes", what).value_or(0);
  const auto time = parse_rfc3339(get_string(json, "time", what));
  if (!time) throw Error(Code::malformed, "'time' is no time").on("read", std::string(what));
  move.time = *time;
  if (move.seq == 0) throw Error(Code::malformed, "'seq' is 0").on("read", std::string(what));
  if (move.undoes >= move.seq)
    throw Error(Code::malformed, "'undoes' is no earlier move").on("read", std::string(what));
  check_name(move.name, what);
  check_name(move.alias, what);
  if (!move.version.empty()) check_name(move.version, what);
  if (!move.previous.empty()) check_name(move.previous, what);
  return move;
}

MoveResult move_alias(Store& store, std::string_view name, std::string_view alias,
                      std::string_view version, const MoveNote& note, const std::stop_token& stop) {
  check_name(name, "model name");
  check_name(alias, "alias");
  if (!version.empty()) check_name(version, "version");
  RecordLog log = log_of(store, name, alias);
  MoveResult out;
  const auto appended = log.append(
      [&](std::uint64_t seq) -> std::optional<std::string> {
        std::optional<AliasMove> last;
        if (seq > 0) last = read_move(log, name, alias, seq, stop);
        if ((last ? last->version : "") == version) {
          out.move = last.value_or(AliasMove{});
          return std::nullopt;
        }
        out.move = next_move(name, alias, last, version, note);
        return alias_move_text(out.move);
      },
      stop);
  out.appended = appended.has_value();
  return out;
}

AliasMove move_alias(Store& store, std::string_view name, std::string_view alias,
                     std::string_view version, std::string_view actor, std::string_view reason,
                     const std::stop_token& stop) {
  return move_alias(store, name, alias, version,
                    MoveNote{std::string(actor), "", std::string(reason)}, stop)
      .move;
}

const AliasMove* move_to_undo(const std::vector<AliasMove>& history) {
  std::map<std::uint64_t, const AliasMove*> moves;
  std::set<std::uint64_t> standing;  // moves forward that were not taken back
  for (const AliasMove& move : history) {
    moves[move.seq] = &move;
    if (move.undoes == 0) {
      standing.insert(move.seq);
    } else if (standing.erase(move.undoes) == 0) {
      // A rollback that was taken back itself: what it took back stands again.
      const auto undone = moves.find(move.undoes);
      if (undone != moves.end() && undone->second->undoes != 0)
        standing.insert(undone->second->undoes);
    }
  }
  return standing.empty() ? nullptr : moves[*standing.rbegin()];
}

AliasMove undo_move(Store& store, const std::vector<AliasMove>& history, const AliasMove& undone,
                    const MoveNote& note, const std::stop_token& stop) {
  const AliasMove& last = history.back();
  RecordLog log = log_of(store, last.name, last.alias);
  AliasMove move;
  log.append(
      [&](std::uint64_t seq) -> std::optional<std::string> {
        if (seq != last.seq) {
          const AliasMove other = read_move(log, last.name, last.alias, seq, stop);
          throw Error(Code::conflict,
                      fmt::format("{} moved it to {} meanwhile",
                                  other.actor.empty() ? "someone" : other.actor,
                                  other.version.empty() ? "nowhere" : other.version))
              .on("roll back", shown(last.name, last.alias))
              .from(Side::destination)
              .hint("look at its history, then decide again");
        }
        move = next_move(last.name, last.alias, last, undone.previous, note);
        move.undoes = undone.seq;
        return alias_move_text(move);
      },
      stop);
  return move;
}

std::optional<AliasMove> find_alias(Store& store, std::string_view name, std::string_view alias,
                                    const std::stop_token& stop) {
  const RecordLog log = log_of(store, name, alias);
  const auto numbers = log.numbers(stop);
  if (numbers.empty()) return std::nullopt;
  return read_move(log, name, alias, numbers.back(), stop);
}

std::vector<AliasMove> alias_history(Store& store, std::string_view name, std::string_view alias,
                                     const std::stop_token& stop) {
  const RecordLog log = log_of(store, name, alias);
  std::vector<AliasMove> out;
  for (const std::uint64_t seq : log.numbers(stop))
    out.push_back(read_move(log, name, alias, seq, stop));
  return out;
}

std::vector<std::string> alias_names(Store& store, std::string_view name,
                                     const std::stop_token& stop) {
  return store.list_names(alias_root(name), stop);
}

std::vector<AliasMove> list_aliases(Store& store, std::string_view name,
                                    const std::stop_token& stop) {
  std::vector<AliasMove> out;
  for (const auto& alias : alias_names(store, name, stop)) {
    auto move = find_alias(store, name, alias, stop);
    if (move && !move->version.empty()) out.push_back(std::move(*move));
  }
  return out;
}

}  // namespace dray
