// What a migration would do: a function of what the registry says.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/glob.h"
#include "dray/model/reference.h"
#include "dray/oci/reference.h"
#include "dray/release/migrate.h"

namespace dray {

namespace {

constexpr std::string_view kName = "{name}";

bool is_image(std::string_view uri) {
  return uri.starts_with("oci://") || uri.starts_with("oci+http://") ||
         uri.starts_with("oci+https://") || uri.starts_with("docker://");
}

std::string_view after_scheme(std::string_view uri) {
  const auto at = uri.find("://");
  return at == std::string_view::npos ? uri : uri.substr(at + 3);
}

std::string lower(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// One spelling of each place.
std::string plain(std::string_view uri, bool image) {
  std::string out;
  if (image && (is_image(uri) || uri.find("://") == std::string_view::npos)) {
    out = fmt::format("oci://{}", after_scheme(uri));
  } else {
    for (const std::string_view folder : {"dir:", "file://"})
      if (uri.starts_with(folder)) uri.remove_prefix(folder.size());
    if (uri.starts_with("s3://")) uri = uri.substr(0, uri.find('?'));
    out = uri;
  }
  while (out.ends_with('/') && out.size() > 1 && !out.ends_with("://")) out.pop_back();
  return out;
}

bool has_path(std::string_view image) {
  return after_scheme(image).find('/') != std::string_view::npos;
}

/// What the rules of dray would take instead of a name: "org/Model x" → "org--Model-x".
std::string usable(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (c == '/')
      out += "--";
    else
      out += good ? c : '-';
  }
  const auto alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  while (!out.empty() && !alnum(out.front())) out.erase(0, 1);
  while (!out.empty() && (!alnum(out.back()) || out.size() > 128)) out.pop_back();
  return out.empty() ? "NAME" : out;
}

std::string renamed(const MigrateRules& rules, const std::string& key, const std::string& name) {
  const auto found = rules.renames.find(key);
  return found == rules.renames.end() ? name : found->second;
}

void skip(MigrateItem& item, std::string reason, std::string hint = "",
          std::optional<Code> failure = std::nullopt) {
  item.action = MigrateAction::skip;
  item.failure = failure;
  item.reason = std::move(reason);
  item.hint = std::move(hint);
}

/// Name, version, store and target; a skip where there are none.
void place_it(MigrateItem& item, const MigrateRules& rules, const TargetOf& target) {
  item.name = renamed(rules, item.model, item.model);
  item.release_version = renamed(rules, item.text(), item.version);
  const std::pair<const std::string*, std::string> names[] = {{&item.name, item.model},
                                                              {&item.release_version, item.text()}};
  for (const auto& [name, key] : names) {
    try {
      check_name(*name, name == &item.name ? "model name" : "version");
    } catch (const Error& error) {
      skip(item, error.message(), fmt::format("--rename '{}={}'", key, usable(*name)), Code::usage);
      return;
    }
  }
  try {
    item.store = destination_store(rules.to, item.name);
  } catch (const Error& error) {
    skip(item, error.message(), error.hint(), Code::usage);
    return;
  }
  item.target = target(item.store, item.name, item.release_version);
}

bool selected(const MigrateRules& rules, const RegisteredVersion& entry) {
  return glob_selects(rules.models, {}, entry.name);
}

MigrateItem item_of(const RegisteredVersion& entry, const RegisteredArtifact& artifact) {
  MigrateItem item;
  item.model = entry.name;
  item.version = entry.version;
  item.model_id = entry.model_id;
  item.version_id = entry.version_id;
  item.artifact_id = artifact.id;
  item.main = artifact.main;
  item.uri = item.origin = artifact.uri;
  return item;
}

/// The last move of an artifact that came from `from`; nullptr if it was another one.
const PlaceMove* last_move(const RegisteredArtifact& artifact, const MigrateRules& rules) {
  if (artifact.moves.empty()) return nullptr;
  const PlaceMove& move = artifact.moves.front();
  return !move.undo && move.to == artifact.uri && lies_below(move.from, rules.from) ? &move
                                                                                    : nullptr;
}

/// Of a destination with "{name}" the folder before it.
std::string_view fixed_part(std::string_view to) {
  const auto at = to.find(kName);
  return at == std::string_view::npos ? to : to.substr(0, to.rfind('/', at));
}

bool other_artifact_says(const RegisteredVersion& entry, const RegisteredArtifact& artifact,
                         const std::string& uri) {
  return std::ranges::any_of(entry.artifacts, [&](const RegisteredArtifact& other) {
    return &other != &artifact && other.uri == uri;
  });
}

}  // namespace

std::string_view action_name(MigrateAction action) {
  switch (action) {
    case MigrateAction::copy:
      return "copy";
    case MigrateAction::point:
      return "point";
    case MigrateAction::done:
      return "done";
    case MigrateAction::skip:
      return "skip";
  }
  return "";
}

bool lies_below(std::string_view uri, std::string_view place) {
  const bool image = is_image(place);
  const std::string at = plain(uri, image), root = plain(place, image);
  if (!at.starts_with(root)) return false;
  if (at.size() == root.size() || root.ends_with('/')) return true;
  const char next = at[root.size()];
  // After a host ':' is a port, not a tag.
  return next == '/' || (image && has_path(root) && (next == ':' || next == '@'));
}

std::string readable_uri(std::string_view uri, std::string_view from) {
  if (is_image(from)) {
    const std::string_view scheme = from.substr(0, from.find("://"));
    return fmt::format("{}://{}", scheme, after_scheme(uri));
  }
  if (uri.starts_with("s3://")) uri = uri.substr(0, uri.find('?'));
  return std::string(uri);
}

std::string destination_store(std::string_view to, const std::string& name) {
  std::string out(to);
  while (out.ends_with('/') && !out.ends_with("://")) out.pop_back();
  if (!is_image(to)) return out;
  const std::string part = lower(name);
  if (const auto at = out.find(kName); at != std::string::npos)
    out.replace(at, kName.size(), part);
  else
    out += "/" + part;
  try {
    oci::parse_reference(out);
  } catch (const Error& error) {
    throw Error(Code::usage, fmt::format("{} is no repository", out))
        .hint(fmt::format("--rename '{}=NAME' with letters, digits and single '.', '_' or '-'",
                          name));
  }
  return out;
}

std::vector<MigrateItem> plan_migration(const std::vector<RegisteredVersion>& entries,
                                        const MigrateRules& rules, const TargetOf& target) {
  std::vector<MigrateItem> out;
  for (const RegisteredVersion& entry : entries) {
    if (!selected(rules, entry)) continue;
    for (const RegisteredArtifact& artifact : entry.artifacts) {
      const PlaceMove* moved = last_move(artifact, rules);
      if (moved == nullptr && !lies_below(artifact.uri, rules.from)) continue;
      MigrateItem item = item_of(entry, artifact);
      place_it(item, rules, target);
      const bool is_there = !item.target.empty() && item.uri == item.target;
      if (!is_there && !lies_below(artifact.uri, rules.from)) continue;  // moved by other rules
      if (is_there) {
        item.action = MigrateAction::done;
        if (moved != nullptr) item.origin = moved->from;
      } else if (item.action == MigrateAction::skip) {
        // Said already.
      } else if (entry.state == "ARCHIVED" && !rules.archived) {
        skip(item, "archived in the registry", "--archived takes it along");
      } else if (!artifact.main && other_artifact_says(entry, artifact, item.target)) {
        skip(item, "the version is registered at the destination too, and this is a second place");
      }
      out.push_back(std::move(item));
    }
  }
  return out;
}

std::vector<MigrateItem> plan_rollback(const std::vector<RegisteredVersion>& entries,
                                       const MigrateRules& rules) {
  std::vector<MigrateItem> out;
  for (const RegisteredVersion& entry : entries) {
    if (!selected(rules, entry)) continue;
    for (const RegisteredArtifact& artifact : entry.artifacts) {
      const PlaceMove* moved = last_move(artifact, rules);
      if (moved == nullptr || !lies_below(artifact.uri, fixed_part(rules.to))) continue;
      MigrateItem item = item_of(entry, artifact);
      item.action = MigrateAction::point;
      item.target = moved->from;
      item.storage_key = moved->storage_key;
      item.storage_path = moved->storage_path;
      out.push_back(std::move(item));
    }
  }
  return out;
}

}  // namespace dray
