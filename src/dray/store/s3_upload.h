// One multipart upload of the S3 store.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "dray/store/s3_place.h"
#include "dray/store/store.h"

namespace dray {

class S3Upload : public Upload {
 public:
  static std::unique_ptr<S3Upload> start(std::shared_ptr<S3Place> place, const ObjectSpec& spec,
                                         const std::stop_token& stop);
  /// nullptr if the server knows the upload no more or the parts were cut otherwise.
  static std::unique_ptr<S3Upload> take_up(std::shared_ptr<S3Place> place, const ObjectSpec& spec,
                                           const SavedUpload& saved, const std::stop_token& stop);

  PartLayout layout() const override { return layout_; }
  std::string id() const override { return id_; }
  std::vector<PutPart> present(const std::stop_token&) override { return present_; }
  PutPart put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
              const std::stop_token& stop) override;
  std::optional<PutPart> put_copy(std::uint64_t index, const StoredRange& from, Bytes bytes,
                                  std::uint64_t crc64, const std::stop_token& stop) override;
  StoredObject commit(const std::vector<PutPart>& parts, const std::string& sha256,
                      const std::stop_token& stop) override;
  void abandon() noexcept override;

 private:
  S3Upload(std::shared_ptr<S3Place> place, ObjectSpec spec, std::string id, S3Capabilities can,
           std::optional<s3::ChecksumKind> checksum);
  void check_part(std::uint64_t index, std::uint64_t size) const;
  /// Whether the answer to a copy proves it; nullopt if it says nothing.
  std::optional<bool> proved(const s3::PartInfo& part, Bytes bytes, std::uint64_t crc64) const;
  void remember(std::uint64_t index, std::optional<std::uint64_t> crc32c, bool proved);
  /// The checksum that the upload was begun with, of one part.
  s3::Checksum checksum_of(const PutPart& part);
  /// Reads the parts of the finished object that nothing else proves; wrong ones cost it its name.
  void read_back(const StoredObject& made, const std::vector<PutPart>& parts,
                 const std::stop_token& stop);

  const std::shared_ptr<S3Place> place_;
  const ObjectSpec spec_;
  const PartLayout layout_;
  const std::string id_;
  const S3Capabilities can_;
  /// What the upload was begun with; the endpoint checks it for every part.
  const std::optional<s3::ChecksumKind> checksum_;
  std::vector<PutPart> present_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> crc32c_;  // by part, where that is the upload's checksum
  std::set<std::uint64_t> unproved_;               // copied parts
};

}  // namespace dray
