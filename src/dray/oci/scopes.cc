#include "dray/oci/scopes.h"

#include <algorithm>
#include <cstddef>

namespace dray::oci {

namespace {

/// Calls `use` with each piece between separators that is not empty.
template <typename Use>
void each_piece(std::string_view text, char separator, Use use) {
  while (!text.empty()) {
    const std::string_view piece = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(piece.size() + 1, text.size()));
    if (!piece.empty()) use(piece);
  }
}

std::string joined(const std::vector<std::string>& words, char separator) {
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += separator;
    out += word;
  }
  return out;
}

}  // namespace

Scopes Scopes::repository(std::string_view name, std::string_view actions) {
  Scopes out;
  auto& of_resource = out.actions_["repository:" + std::string(name)];
  each_piece(actions, ',', [&](std::string_view action) { of_resource.emplace(action); });
  return out;
}

Scopes Scopes::parse(std::string_view text) {
  Scopes out;
  each_piece(text, ' ', [&](std::string_view scope) {
    // A name may hold a ':' (host:port/name): the actions stand after the last one.
    const std::size_t colon = scope.rfind(':');
    if (colon == std::string_view::npos || scope.find(':') == colon ||
        scope.find_first_not_of(',', colon + 1) == std::string_view::npos) {
      out.actions_[std::string(scope)];
      return;
    }
    auto& of_resource = out.actions_[std::string(scope.substr(0, colon))];
    each_piece(scope.substr(colon + 1), ',',
               [&](std::string_view action) { of_resource.emplace(action); });
  });
  return out;
}

void Scopes::add(const Scopes& other) {
  for (const auto& [resource, actions] : other.actions_)
    actions_[resource].insert(actions.begin(), actions.end());
}

bool Scopes::cover(const Scopes& other) const {
  return std::all_of(other.actions_.begin(), other.actions_.end(), [this](const auto& wanted) {
    const auto found = actions_.find(wanted.first);
    if (found == actions_.end()) return false;
    return found->second.count("*") != 0 ||
           std::includes(found->second.begin(), found->second.end(), wanted.second.begin(),
                         wanted.second.end());
  });
}

std::vector<std::string> Scopes::repositories(std::string_view action) const {
  constexpr std::string_view kind = "repository:";
  std::vector<std::string> out;
  for (const auto& [resource, actions] : actions_)
    if (resource.starts_with(kind) && actions.count(std::string(action)) != 0)
      out.push_back(resource.substr(kind.size()));
  return out;
}

std::vector<std::string> Scopes::list() const {
  std::vector<std::string> out;
  for (const auto& [resource, actions] : actions_) {
    const std::string words = joined({actions.begin(), actions.end()}, ',');
    out.push_back(words.empty() ? resource : resource + ":" + words);
  }
  return out;
}

std::string Scopes::text() const { return joined(list(), ' '); }

}  // namespace dray::oci
