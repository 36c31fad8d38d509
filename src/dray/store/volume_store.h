// Writing a bundle as one archive, cut into volumes.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "dray/model/bundle_record.h"
#include "dray/store/dir_store.h"
#include "dray/store/store.h"

namespace dray {

/// A place for one object, the archive, beside its final names: the folder STEM.partial holds the
/// volumes, which are written from front to back and hashed on the way, and the journal of the
/// transfer that writes them. What is written is proved again by reading it when a later run goes
/// on. Volumes get their names in publish().
class VolumeStore final : public DirStore {
 public:
  /// `stem` absolute. `volume_size` 0 = one file. `of` names what is written: another's finished
  /// volumes do not count.
  VolumeStore(const std::filesystem::path& stem, std::uint64_t volume_size, std::string of);

  /// Of the archive, the only object.
  static constexpr std::string_view kKey = "archive";

  PartLayout layout(std::uint64_t object_size) const override;
  std::unique_ptr<Upload> begin(const ObjectSpec& spec, const SavedUpload* saved,
                                const std::stop_token& stop) override;
  StoredObject create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                      const std::stop_token& stop) override;

  /// Sizes and digests of the complete archive's volumes; nullopt before it is complete.
  std::optional<BundleVolumes> finished() const;
  /// Gives the volumes their names, and writes `index` beside them, last of all. Can be repeated
  /// after a kill. Code::conflict where a name is taken.
  void publish(const BundleRecord& index, const std::stop_token& stop);
  /// Removes STEM.partial, as far as it holds what was made here.
  void clean_up() noexcept;

 private:
  const std::filesystem::path stem_;
  const std::uint64_t volume_size_;
  const std::string of_;
};

/// "models.tar.partial", where an archive is written before its volumes have their names.
std::filesystem::path partial_folder(const std::filesystem::path& stem);
/// "models.tar.json": the index of the volumes models.tar.000 …
std::filesystem::path index_path(const std::filesystem::path& stem);

}  // namespace dray
