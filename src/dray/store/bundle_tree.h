// The files of a bundle, whether they lie in a folder or in an archive; all of it is outside data.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/store/bundle_volumes.h"

namespace dray {

/// Thread-safe.
class BundleTree {
 public:
  virtual ~BundleTree() = default;
  /// Size of the regular file at a key; nullopt if there is none. Code::malformed where a symbolic
  /// link is in the way.
  virtual std::optional<std::uint64_t> size_of(const std::string& key) const = 0;
  /// Code::not_found, Code::malformed where the file ends early.
  virtual void read(const std::string& key, std::uint64_t offset, MutableBytes out) const = 0;
  /// What an archive has that `expected` has not; a folder may hold other things.
  virtual std::vector<std::string> strangers(const std::vector<std::string>& expected) const = 0;
  /// Where the bytes lie in the archive; nullopt in a folder.
  virtual std::optional<ByteRange> place(const std::string& key) const = 0;

  /// The whole of a small file; nullopt if there is none, Code::malformed above `limit`.
  std::optional<std::string> text(const std::string& key, std::uint64_t limit) const;
};

/// No symbolic link below `root` is followed.
std::unique_ptr<BundleTree> folder_tree(const std::filesystem::path& root);

/// Reads all headers of the archive. Code::malformed for links, devices, unsafe or doubled paths.
std::unique_ptr<BundleTree> archive_tree(std::shared_ptr<const BundleVolumeFiles> volumes,
                                         const std::string& what, const std::stop_token& stop);

}  // namespace dray
