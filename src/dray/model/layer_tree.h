// What the layers of an image hold together, in the order in which a runtime unpacks them (OCI
// image specification, layer.md, "Applying Changesets").
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dray/model/image_path.h"
#include "dray/model/tar_reader.h"

namespace dray {

/// A file of an image and where its bytes lie; links to one file share its place.
struct TreeFile {
  std::string path;  // below the root asked for, safe (base/path.h)
  std::uint64_t size = 0;
  std::size_t layer = 0;          // 0 is the lowest
  std::uint64_t data_offset = 0;  // in the layer's uncompressed archive
  bool operator==(const TreeFile&) const = default;
};

/// What is in the image below the root and is no file that could be carried.
struct SkippedEntry {
  std::string path;    // as TreeFile's
  std::string reason;  // "is a device or pipe", "points to 'x', which is a folder"; printable
  bool operator==(const SkippedEntry&) const = default;
};

struct ModelTree {
  std::vector<TreeFile> files;  // sorted by path (bytewise), unique
  std::vector<SkippedEntry> skipped;
};

struct LayerTreeLimits {
  std::uint64_t entries = 1'000'000;     // in all layers together
  std::uint64_t name_bytes = 64 * kMiB;  // of names, with links followed, and targets
};

/// Merges layers, lowest first. Later entries replace earlier ones of their name, a file also the
/// folder with all that is in it, and the other way round; whiteouts hide what lower layers hold,
/// wherever in their layer they stand. Entries below a symbolic link go where it leads, as when
/// unpacked. Nothing leads out of the image. For one thread at a time.
class LayerTree {
 public:
  explicit LayerTree(LayerTreeLimits limits = {});

  /// The next layer upwards, with all its entries in order, also those outside the model's folder:
  /// links may lead there. Code::malformed for ".." in a name, names that are too long once links
  /// are followed, chains of more than 40 links above an entry, and beyond the limits; the tree is
  /// of no more use then.
  void add_layer(const std::vector<tar::Entry>& entries);

  /// The files below `root` and what had to be left out. A symbolic link to a file below the root
  /// is that file under the link's name; others are left out, and so are hard links to what was not
  /// there. Code::malformed for names that are not safe (base/path.h). No files where there is no
  /// such folder.
  ModelTree files_below(std::string_view root = kModelRoot) const;

 private:
  enum class Kind { folder, file, symlink, device, broken };
  struct Node {
    Kind kind = Kind::folder;
    std::size_t layer = 0;
    std::uint64_t size = 0, data_offset = 0;  // of files
    std::string text;                         // target of a symlink, what is broken of a link
  };
  /// Where a path leads; `problem` says why it leads nowhere.
  struct Followed {
    std::string path;
    const char* problem = nullptr;
  };

  Followed follow(std::string_view path, bool last_too) const;
  std::string place_of(const std::string& path) const;
  void hide(const Whiteout& whiteout);
  void add(const tar::Entry& entry);
  Node node_of(const tar::Entry& entry) const;
  Node linked(const std::string& target) const;
  void make_folders_above(const std::string& path);
  void remove_below(const std::string& path);
  bool is_folder(const std::string& path) const;
  const Node* find(const std::string& path) const;
  std::optional<std::string> file_behind(const std::string& link, const Node& node,
                                         const std::string& top, const Node*& file) const;

  LayerTreeLimits limits_;
  // By path as image_path() gives it, with no link on the way; folders that have no entry of their
  // own are not kept.
  std::map<std::string, Node, std::less<>> nodes_;
  std::size_t layers_ = 0;
  std::uint64_t entries_ = 0, name_bytes_ = 0;
};

}  // namespace dray
