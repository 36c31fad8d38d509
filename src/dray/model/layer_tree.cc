#include "dray/model/layer_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/error.h"
#include "dray/model/plain_text.h"
#include "dray/model/tar_header.h"

namespace dray {

namespace {

// Links as in Linux. The steps bound the work that long targets can make of each entry.
constexpr int kMostLinks = 40;
constexpr std::size_t kMostSteps = 512;

[[noreturn]] void refuse(std::string_view path, std::string_view why) {
  throw Error(Code::malformed, fmt::format("\"{}\" in an image: {}", shown_text(path), why));
}

/// Puts the parts of `path` on `stack`, the first one on top; empty and "." parts are left out.
void push_parts(std::string_view path, std::vector<std::string>& stack) {
  while (!path.empty()) {
    const auto slash = path.rfind('/');
    const auto part = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (!part.empty() && part != ".") stack.emplace_back(part);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  }
}

void to_parent(std::string& path) {
  const auto slash = path.rfind('/');
  path.erase(slash == std::string::npos ? 0 : slash);
}

std::string joined(const std::string& folder, std::string_view name) {
  return folder.empty() ? std::string(name) : fmt::format("{}/{}", folder, name);
}

/// The first path behind all those below `path`: '0' follows '/'.
std::string end_of(const std::string& path) { return path + '0'; }

}  // namespace

LayerTree::LayerTree(LayerTreeLimits limits) : limits_(limits) {}

void LayerTree::add_layer(const std::vector<tar::Entry>& entries) {
  // Marks first: they are about what is there now, which is all from lower layers.
  std::vector<const tar::Entry*> own;
  for (const auto& entry : entries) {
    if (++entries_ > limits_.entries)
      refuse(entry.path, fmt::format("its layers hold more than {} entries", limits_.entries));
    if (const auto whiteout = whiteout_of(entry.path))
      hide(*whiteout);
    else
      own.push_back(&entry);
  }
  for (const auto* entry : own) add(*entry);
  ++layers_;
}

const LayerTree::Node* LayerTree::find(const std::string& path) const {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : &found->second;
}

bool LayerTree::is_folder(const std::string& path) const {
  if (path.empty()) return true;
  if (const Node* node = find(path)) return node->kind == Kind::folder;
  const auto below = nodes_.lower_bound(path + '/');
  return below != nodes_.end() && below->first.starts_with(path + '/');
}

/// The path without links on the way, and none at its end if `last_too`. What is not there is taken
/// for folders still to be made.
LayerTree::Followed LayerTree::follow(std::string_view path, bool last_too) const {
  std::vector<std::string> parts;
  push_parts(path, parts);
  std::string at;
  int links = 0;
  for (std::size_t steps = 0; !parts.empty(); ++steps) {
    if (steps + parts.size() > kMostSteps) return {{}, "leads through too many folders"};
    const std::string part = std::move(parts.back());
    parts.pop_back();
    if (part == "..") {
      to_parent(at);
      continue;
    }
    std::string next = joined(at, part);
    const Node* node = find(next);
    if (node != nullptr && node->kind == Kind::symlink && (last_too || !parts.empty())) {
      if (++links > kMostLinks) return {{}, "leads through more than 40 symbolic links"};
      if (node->text.starts_with('/')) at.clear();
      push_parts(node->text, parts);
      continue;
    }
    if (next.size() > tar::kLongestName) return {{}, "leads to a path that is too long"};
    at = std::move(next);
  }
  return {std::move(at), nullptr};
}

/// Where an entry of this name lies: links above it are followed, it itself may be one.
std::string LayerTree::place_of(const std::string& path) const {
  auto followed = follow(path, false);
  if (followed.problem != nullptr) refuse(path, followed.problem);
  return std::move(followed.path);
}

void LayerTree::hide(const Whiteout& whiteout) {
  if (whiteout.kind == Whiteout::Kind::reserved) return;
  const bool opaque = whiteout.kind == Whiteout::Kind::opaque;
  const auto followed = follow(whiteout.path, opaque);
  if (followed.problem != nullptr) refuse(whiteout.path, followed.problem);
  remove_below(followed.path);
  if (!opaque) nodes_.erase(followed.path);
}

void LayerTree::remove_below(const std::string& path) {
  if (path.empty()) {
    nodes_.clear();
    return;
  }
  nodes_.erase(nodes_.lower_bound(path + '/'), nodes_.lower_bound(end_of(path)));
}

/// A file where an entry needs a folder gives way.
void LayerTree::make_folders_above(const std::string& path) {
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const auto found = nodes_.find(std::string_view(path).substr(0, slash));
    if (found != nodes_.end() && found->second.kind != Kind::folder) nodes_.erase(found);
  }
}

void LayerTree::add(const tar::Entry& entry) {
  const std::string path = image_path(entry.path);
  if (path.empty()) return;  // the image's root itself
  const std::string place = place_of(path);
  Node node = node_of(entry);
  name_bytes_ += place.size() + node.text.size();
  if (name_bytes_ > limits_.name_bytes)
    refuse(path, fmt::format("its layers hold names of more than {} together",
                             human_size(limits_.name_bytes)));
  make_folders_above(place);
  if (node.kind != Kind::folder) remove_below(place);
  nodes_.insert_or_assign(place, std::move(node));
}

LayerTree::Node LayerTree::node_of(const tar::Entry& entry) const {
  Node node;
  node.layer = layers_;
  switch (entry.type) {
    case tar::EntryType::folder:
      return node;
    case tar::EntryType::file:
      node.kind = Kind::file;
      node.size = entry.size;
      node.data_offset = entry.data_offset;
      return node;
    case tar::EntryType::symlink:
      node.kind = Kind::symlink;
      node.text = entry.link_target;
      return node;
    case tar::EntryType::hardlink:
      return linked(entry.link_target);
    case tar::EntryType::other:
      break;
  }
  node.kind = Kind::device;
  return node;
}

/// A hard link is a second name of what is there when it is made; what happens to the first name
/// later does not matter.
LayerTree::Node LayerTree::linked(const std::string& target) const {
  const auto followed = follow(target, false);
  const Node* node = followed.problem == nullptr ? find(followed.path) : nullptr;
  if (node != nullptr && node->kind != Kind::folder) return *node;
  const char* why = followed.problem != nullptr ? followed.problem
                    : is_folder(followed.path)  ? "is a folder"
                                                : "is not there";
  Node broken;
  broken.kind = Kind::broken;
  broken.layer = layers_;
  broken.text = fmt::format("is a hard link to '{}', which {}", shown_text(target), why);
  return broken;
}

/// The node of the file that a symbolic link leads to, or why there is none to be carried.
std::optional<std::string> LayerTree::file_behind(const std::string& link, const Node& node,
                                                  const std::string& top, const Node*& file) const {
  const auto reason = [&](std::string_view why) {
    return fmt::format("points to '{}', which {}", shown_text(node.text), why);
  };
  const auto followed = follow(link, true);
  if (followed.problem != nullptr) return reason(followed.problem);
  if (is_folder(followed.path)) return reason("is a folder");
  if (!followed.path.starts_with(top)) return reason("is outside the model's folder");
  file = find(followed.path);
  if (file == nullptr) return reason("is not there");
  if (file->kind != Kind::file) return reason("is no file");
  return std::nullopt;
}

ModelTree LayerTree::files_below(std::string_view root) const {
  ModelTree tree;
  const auto start = follow(image_path(root), true);
  if (start.problem != nullptr) refuse(root, start.problem);
  const std::string top = start.path.empty() ? "" : start.path + '/';
  const auto begin = nodes_.lower_bound(top);
  const auto end = top.empty() ? nodes_.end() : nodes_.lower_bound(end_of(start.path));
  for (auto at = begin; at != end; ++at) {
    const Node& node = at->second;
    if (node.kind == Kind::folder) continue;
    std::string path = *model_path(std::string_view(at->first).substr(top.size()), "");
    const Node* file = &node;
    std::optional<std::string> reason;
    if (node.kind == Kind::symlink)
      reason = file_behind(at->first, node, top, file);
    else if (node.kind == Kind::device)
      reason = "is a device or pipe";
    else if (node.kind == Kind::broken)
      reason = node.text;
    if (reason)
      tree.skipped.push_back({std::move(path), std::move(*reason)});
    else
      tree.files.push_back({std::move(path), file->size, file->layer, file->data_offset});
  }
  return tree;
}

}  // namespace dray
