// The volumes of a bundle, read as the one archive that they are.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/model/bundle_record.h"

namespace dray {

/// Thread-safe; keeps no file open. Symbolic links are followed, so that volumes on several discs
/// can be gathered in one folder.
class BundleVolumeFiles {
 public:
  /// `stem` is the path of the volumes without their numbers.
  BundleVolumeFiles(std::filesystem::path stem, BundleVolumes volumes);

  std::uint64_t size() const { return volumes_.total(); }
  const BundleVolumes& volumes() const { return volumes_; }
  std::filesystem::path path(std::size_t index) const;
  /// "volume 3 of 7 (models.tar.002)"; of a bundle in one file "models.tar".
  std::string name(std::size_t index) const;
  /// The volumes that hold any of these bytes: the first and the last.
  std::pair<std::size_t, std::size_t> holding(ByteRange range) const;

  /// What is wrong with names, sizes and first bytes, of all volumes; none that is missing, cut or
  /// in another's place escapes.
  std::vector<std::string> problems(const std::stop_token& stop) const;
  /// "" if the volume is byte for byte what was written, else what is wrong with it.
  std::string damage(std::size_t index, const std::stop_token& stop) const;

  /// Code::not_found and Code::verification where a volume is gone or too short.
  void read(std::uint64_t offset, MutableBytes out) const;

 private:
  std::string sha256_of(std::size_t index, std::uint64_t bytes, const std::stop_token& stop) const;

  const std::filesystem::path stem_;
  const BundleVolumes volumes_;
};

}  // namespace dray
