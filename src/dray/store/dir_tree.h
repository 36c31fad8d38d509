// The folder tree of a directory store: where a key lies, and how a complete file gets its name.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "dray/base/bytes.h"
#include "dray/store/dir_files.h"
#include "dray/store/store.h"

namespace dray::dir {

/// Thread-safe; holds nothing but the place.
class Tree {
 public:
  explicit Tree(std::filesystem::path root) : root_(std::move(root)) {}

  const std::filesystem::path& root() const { return root_; }
  std::filesystem::path temp_folder() const { return root_ / ".dray" / "tmp"; }
  std::filesystem::path temp(std::string_view name) const { return temp_folder() / name; }
  /// Throws Code::malformed for keys that would leave the tree or reach the temporary files.
  std::filesystem::path path_of(const std::string& key) const;

  /// A new synced temporary file with this content; its name begins with "s-".
  std::filesystem::path write_small(Bytes content) const;
  /// Gives `temp_file` (complete, synced) the name of the key. Where the name is taken by equal
  /// content that is success; other content is Code::conflict. `temp_file` is gone afterwards
  /// unless something else failed. `sha256` "" = of temp_file.
  StoredObject publish(const std::filesystem::path& temp_file, const ObjectSpec& spec,
                       std::string sha256, const std::stop_token& stop) const;
  /// The object at the key if it is a file of this size and SHA-256. Code::conflict if it is
  /// something else.
  std::optional<StoredObject> find_same(const ObjectSpec& spec, const std::string& sha256,
                                        const std::stop_token& stop) const;

  /// Every object whose key begins with `prefix`, in no order.
  bool walk(const std::string& prefix, const Visit& visit) const;
  /// Removes the file of a key and the folders that became empty.
  void remove(const std::string& key) const;
  /// The file system's clock, which modification times are told by; nanoseconds since 1970. It is
  /// asked by writing a file; this machine's clock where nothing can be written.
  std::int64_t now_ns() const;

 private:
  std::filesystem::path root_;
};

std::int64_t mtime_ns(const struct stat& info);

}  // namespace dray::dir
