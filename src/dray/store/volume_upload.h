// The volumes of an archive while they are written. For VolumeStore.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dray/base/digest.h"
#include "dray/base/file.h"
#include "dray/model/bundle_record.h"
#include "dray/store/store.h"

namespace dray {

/// Volume `index` of an archive that is being written into `folder`.
std::filesystem::path unnamed_volume(const std::filesystem::path& folder, std::size_t index);
/// The list of finished volumes in `folder`; it exists when all of them are complete and synced.
std::filesystem::path finished_list(const std::filesystem::path& folder);

/// Parts are put in order. For one thread at a time.
class VolumeUpload final : public Upload {
 public:
  /// `of` says what is written, in the list of finished volumes.
  VolumeUpload(std::filesystem::path folder, ObjectSpec spec, PartLayout layout,
               std::uint64_t volume_size, std::string of, std::string id,
               std::vector<PutPart> saved);

  PartLayout layout() const override { return layout_; }
  std::string id() const override { return id_; }
  /// Reads the saved parts back, from the first on until one is not as it was put.
  std::vector<PutPart> present(const std::stop_token& stop) override;
  PutPart put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
              const std::stop_token& stop) override;
  /// Syncs, and writes the list of finished volumes.
  StoredObject commit(const std::vector<PutPart>& parts, const std::string& sha256,
                      const std::stop_token& stop) override;
  void abandon() noexcept override;

 private:
  struct Digests {
    Sha256 whole, head;
  };
  std::size_t count() const;
  ByteRange range_of(std::size_t volume) const;
  template <typename Use>
  void each_volume(std::uint64_t offset, std::uint64_t length, Use use) const;
  void write(std::uint64_t offset, Bytes bytes);
  template <typename Use>
  void read(ByteRange range, const std::stop_token& stop, Use use);
  bool holds(const PutPart& part, const std::stop_token& stop);
  void hash(std::uint64_t offset, Bytes bytes);
  void hash_again(const std::stop_token& stop);
  int open(std::size_t volume);
  void sync(std::size_t volume);

  const std::filesystem::path folder_;
  const ObjectSpec spec_;
  const PartLayout layout_;
  const std::uint64_t volume_size_;
  const std::string of_, id_;
  const std::vector<PutPart> saved_;
  std::vector<Digests> digests_;  // of each volume, as far as it is hashed
  std::uint64_t hashed_ = 0;      // bytes of the archive in `digests_`
  bool rewritten_ = false;        // what was hashed has changed since
  std::optional<std::size_t> open_volume_;
  Fd fd_;
};

}  // namespace dray
