// Where things lie in a store. One place for every key. Format: docs/formats/store-layout.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace dray {

/// The default place of a release's files; `{name}` and `{version}` are replaced. Always used with
/// a final '/'.
inline constexpr std::string_view kDefaultTemplate = "model-data/{name}/{version}";
/// Everything of ours that is not a model's file lies below this.
inline constexpr std::string_view kStateRoot = ".dray/";

/// Throws Code::usage unless `place` is a safe relative path outside ".dray/" in which `{name}` and
/// `{version}` occur once each, in different segments: then no two releases share a prefix, and the
/// release of a key can be told from it.
void check_place(std::string_view place);

/// "model-data/llama/1.0.0/" — ends in '/', so that no release's prefix extends another's.
std::string release_prefix(std::string_view name, std::string_view version,
                           std::string_view place = kDefaultTemplate);
/// The part of `place` before its first placeholder, up to and with a '/': "model-data/".
std::string place_root(std::string_view place = kDefaultTemplate);
/// The name and version of the release whose prefix `key` lies under; nullopt if it is under none.
std::optional<std::pair<std::string, std::string>> release_of_key(
    std::string_view key, std::string_view place = kDefaultTemplate);

std::string manifest_key(std::string_view name,
                         std::string_view version);  // .dray/releases/{name}/{version}.json
std::string manifest_prefix(std::string_view name);  // .dray/releases/{name}/
std::string alias_prefix(std::string_view name,
                         std::string_view alias);  // .dray/aliases/{name}/{alias}/
std::string alias_key(std::string_view name, std::string_view alias,
                      std::uint64_t seq);       // …/00000001.json
std::string alias_root(std::string_view name);  // .dray/aliases/{name}/
std::string state_root(std::string_view name);  // .dray/states/{name}/
std::string state_prefix(std::string_view name,
                         std::string_view version);  // .dray/states/{name}/{version}/
std::string eval_prefix(std::string_view name,
                        std::string_view version);  // .dray/evals/{name}/{version}/
std::string ranges_key(std::string_view name,
                       std::string_view version);  // .dray/ranges/{name}/{version}.txt
std::string transfer_prefix(std::string_view id);  // .dray/transfers/{id}/
std::string journal_key(std::string_view id, std::string_view writer);  // …/{writer}.json
/// Marks a store of a later layout than 1; absent in layout 1.
std::string layout_key();  // .dray/layout.json

}  // namespace dray
