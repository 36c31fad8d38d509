#include "dray/store/oci_layers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <variant>

#include "dray/model/file_kind.h"
#include "dray/model/image_path.h"
#include "dray/model/tar_writer.h"

namespace dray {

namespace {

constexpr std::string_view kCard = "README.md";

using Group = std::vector<std::size_t>;  // of files

std::vector<std::size_t> by_path(const std::vector<FileToStore>& files) {
  std::vector<std::size_t> order(files.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return files[a].path < files[b].path; });
  return order;
}

std::vector<Group> groups_of(const std::vector<FileToStore>& files, const LayerRules& rules) {
  Group card, small, large;
  for (const std::size_t i : by_path(files)) {
    // Weights that are quantized on the way are best alone, however small they are.
    const bool alone = files[i].size >= rules.large || is_weights(file_kind(files[i].path));
    if (files[i].path == kCard)
      card.push_back(i);
    else
      (alone ? large : small).push_back(i);
  }
  std::vector<Group> out;
  for (Group* group : {&card, &small})
    if (!group->empty()) out.push_back(std::move(*group));
  const std::size_t room = std::max<std::size_t>(1, rules.most - std::min(rules.most, out.size()));
  const std::size_t each = std::max<std::size_t>(1, (large.size() + room - 1) / room);
  for (std::size_t at = 0; at < large.size(); at += each) {
    const auto first = large.begin() + static_cast<std::ptrdiff_t>(at);
    out.emplace_back(first, first + static_cast<std::ptrdiff_t>(std::min(each, large.size() - at)));
  }
  return out;
}

PackedObject tar_layer(const std::vector<FileToStore>& files, const Group& group) {
  std::vector<tar::Member> members;
  for (const std::size_t i : group)
    members.push_back({fmt::format("{}/{}", kModelRoot, files[i].path), files[i].size});
  tar::LayerPlan plan = tar::plan_layer(members, tar::parent_folders(members));

  PackedObject out;
  out.spec.size = plan.size;
  out.spec.content_type = "application/x-tar";
  out.label = group.size() == 1
                  ? files[group[0]].path
                  : fmt::format("{} and {} more", files[group[0]].path, group.size() - 1);
  for (std::size_t m = 0; m < group.size(); ++m)
    out.files.push_back({group[m], plan.data_offsets[m]});
  std::sort(out.files.begin(), out.files.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  // Empty files have no bytes, but a place among the others.
  auto next = out.files.begin();
  const auto pass_empty = [&](std::uint64_t until) {
    for (; next != out.files.end() && next->offset < until; ++next)
      if (files[next->file].size == 0) out.pieces.emplace_back(next->file);
  };
  for (auto& piece : plan.pieces) {
    if (piece.member) {
      pass_empty(piece.offset);
      out.pieces.emplace_back(group[*piece.member]);
    } else {
      out.pieces.emplace_back(std::make_shared<const Buffer>(std::move(piece.literal)));
    }
  }
  pass_empty(plan.size);
  return out;
}

/// Whether the layer can be made of its files at once.
bool fits(const PackedObject& layer, const std::vector<FileToStore>& files) {
  return std::all_of(layer.files.begin(), layer.files.end(), [&](const PackedObject::Place& place) {
    const auto needs = files[place.file].fits;
    return needs == FileToStore::Fits::anywhere ||
           (needs == FileToStore::Fits::alone && layer.files.size() == 1);
  });
}

void largest_first(std::vector<PackedObject>& objects) {
  std::stable_sort(objects.begin(), objects.end(),
                   [](const auto& a, const auto& b) { return a.spec.size > b.spec.size; });
}

std::vector<PackedObject> tar_layers(const std::string& prefix,
                                     const std::vector<FileToStore>& files,
                                     const LayerRules& rules) {
  std::vector<PackedObject> out;
  for (const Group& group : groups_of(files, rules)) {
    out.push_back(tar_layer(files, group));
    out.back().spec.key = fmt::format("{}{:04}.tar", prefix, out.size());
  }
  largest_first(out);
  return out;
}

/// The layer is made of these objects where they have one of its files.
void make_of(const std::vector<PackedObject>& objects, PackedObject& layer) {
  std::map<std::size_t, std::size_t> place;  // of each file's object
  for (std::size_t i = 0; i < objects.size(); ++i) place[objects[i].files[0].file] = i;
  for (auto& piece : layer.pieces)
    if (const auto* file = std::get_if<std::size_t>(&piece))
      if (const auto found = place.find(*file); found != place.end()) {
        piece = WholeObject{found->second};
        layer.rank = 1;
      }
}

std::vector<PackedObject> joined(std::vector<PackedObject> objects,
                                 std::vector<PackedObject> layers) {
  for (auto& layer : layers) objects.push_back(std::move(layer));
  return objects;
}

}  // namespace

std::vector<PackedObject> pack_modelcar(const std::string& prefix,
                                        const std::vector<FileToStore>& files,
                                        const LayerRules& rules) {
  std::vector<PackedObject> layers = tar_layers(prefix, files, rules);
  std::vector<PackedObject> helps;
  for (const auto& layer : layers) {
    if (fits(layer, files)) continue;
    for (const auto& place : layer.files)
      if (files[place.file].fits != FileToStore::Fits::anywhere) {
        helps.push_back(file_object(prefix, files, place.file));
        helps.back().role = PackedObject::Role::help;
      }
  }
  largest_first(helps);
  for (auto& layer : layers) make_of(helps, layer);
  return joined(std::move(helps), std::move(layers));
}

std::vector<PackedObject> pack_both(const std::string& prefix,
                                    const std::vector<FileToStore>& files,
                                    const LayerRules& rules) {
  std::vector<PackedObject> raw = pack_modelpack(prefix, files);
  std::vector<PackedObject> layers = tar_layers(prefix + ".layers/", files, rules);
  for (auto& layer : layers) {
    make_of(raw, layer);
    layer.label = "layer of " + layer.label;
    layer.role = PackedObject::Role::again;
    layer.rank = 1;
  }
  return joined(std::move(raw), std::move(layers));
}

std::vector<PackedObject> pack_modelpack(const std::string& prefix,
                                         const std::vector<FileToStore>& files) {
  std::vector<PackedObject> out;
  for (const std::size_t i : by_path(files)) out.push_back(file_object(prefix, files, i));
  largest_first(out);
  return out;
}

}  // namespace dray
