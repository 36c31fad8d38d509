// The alias log: format in docs/formats/alias-log.md.
#include <fmt/format.h>

#include <algorithm>

#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/store/catalog.h"
#include "dray/store/layout.h"

namespace dray {

namespace {

constexpr std::string_view kFormat = "dray-alias-move";
constexpr std::uint64_t kVersion = 1;
constexpr int kRaces = 1000;  // moves by others in a row before we give up

/// The sequence number of a key of this log; nullopt for anything else that lies there.
std::optional<std::uint64_t> seq_of(const std::string& key, std::string_view name,
                                    std::string_view alias) {
  std::string_view rest = key;
  rest.remove_prefix(alias_prefix(name, alias).size());
  const auto seq = parse_u64(rest.substr(0, rest.find('.')));
  if (!seq || *seq == 0 || alias_key(name, alias, *seq) != key) return std::nullopt;
  return seq;
}

std::vector<std::uint64_t> sequence(Store& store, std::string_view name, std::string_view alias,
                                    const std::stop_token& stop) {
  std::vector<std::uint64_t> out;
  for (const auto& item : store.state().list(alias_prefix(name, alias), stop))
    if (const auto seq = seq_of(item.key, name, alias)) out.push_back(*seq);
  std::sort(out.begin(), out.end());
  for (std::size_t i = 0; i < out.size(); ++i)
    if (out[i] != i + 1)
      throw Error(Code::malformed, fmt::format("move {} is missing from its log", i + 1))
          .on("read", fmt::format("{}@{}", name, alias))
          .hint(
              fmt::format("restore {} from a backup of the store", alias_key(name, alias, i + 1)));
  return out;
}

AliasMove read_move(Store& store, std::string_view name, std::string_view alias, std::uint64_t seq,
                    const std::stop_token& stop) {
  const std::string what = fmt::format("move {} of {}@{}", seq, name, alias);
  const auto text = store.state().get(alias_key(name, alias, seq), stop);
  if (!text) throw Error(Code::not_found, "it was removed meanwhile").on("read", what).transient();
  AliasMove move = parse_alias_move(*text, what);
  if (move.seq != seq || move.name != name || move.alias != alias)
    throw Error(Code::malformed,
                fmt::format("it is move {} of {}@{}", move.seq, move.name, move.alias))
        .on("read", what);
  return move;
}

}  // namespace

std::string alias_move_text(const AliasMove& move) {
  return dump_json_pretty({{"format", kFormat},
                           {"format_version", kVersion},
                           {"seq", move.seq},
                           {"name", move.name},
                           {"alias", move.alias},
                           {"version", move.version},
                           {"previous", move.previous},
                           {"actor", move.actor},
                           {"reason", move.reason},
                           {"time", rfc3339(move.time)}});
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
  move.reason = get_string(json, "reason", what);
  const auto time = parse_rfc3339(get_string(json, "time", what));
  if (!time) throw Error(Code::malformed, "'time' is no time").on("read", std::string(what));
  move.time = *time;
  if (move.seq == 0) throw Error(Code::malformed, "'seq' is 0").on("read", std::string(what));
  check_name(move.name, what);
  check_name(move.alias, what);
  if (!move.version.empty()) check_name(move.version, what);
  if (!move.previous.empty()) check_name(move.previous, what);
  return move;
}

AliasMove move_alias(Store& store, std::string_view name, std::string_view alias,
                     std::string_view version, std::string_view actor, std::string_view reason,
                     const std::stop_token& stop) {
  check_name(name, "model name");
  check_name(alias, "alias");
  if (!version.empty()) check_name(version, "version");
  for (int i = 0; i < kRaces; ++i) {
    const auto last = find_alias(store, name, alias, stop);
    const std::string current = last ? last->version : "";
    if (current == version) return last.value_or(AliasMove{});
    AliasMove move;
    move.seq = last ? last->seq + 1 : 1;
    move.name = name;
    move.alias = alias;
    move.version = version;
    move.previous = current;
    move.actor = actor;
    move.reason = reason;
    move.time = unix_now();
    if (store.state().create_if_absent(alias_key(name, alias, move.seq), alias_move_text(move),
                                       stop))
      return move;
  }
  throw Error(Code::conflict, "others keep moving it")
      .on("move", fmt::format("{}@{}", name, alias))
      .from(Side::destination)
      .transient();
}

std::optional<AliasMove> find_alias(Store& store, std::string_view name, std::string_view alias,
                                    const std::stop_token& stop) {
  const auto numbers = sequence(store, name, alias, stop);
  if (numbers.empty()) return std::nullopt;
  return read_move(store, name, alias, numbers.back(), stop);
}

std::vector<AliasMove> alias_history(Store& store, std::string_view name, std::string_view alias,
                                     const std::stop_token& stop) {
  std::vector<AliasMove> out;
  for (const std::uint64_t seq : sequence(store, name, alias, stop))
    out.push_back(read_move(store, name, alias, seq, stop));
  return out;
}

std::vector<AliasMove> list_aliases(Store& store, std::string_view name,
                                    const std::stop_token& stop) {
  std::vector<AliasMove> out;
  for (const auto& alias : store.list_names(fmt::format(".dray/aliases/{}/", name), stop)) {
    auto move = find_alias(store, name, alias, stop);
    if (move && !move->version.empty()) out.push_back(std::move(*move));
  }
  return out;
}

}  // namespace dray
