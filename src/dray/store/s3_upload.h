// One multipart upload of the S3 store.
#pragma once

#include <memory>
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

  PartLayout layout() const override { return place_->layout(spec_.size); }
  std::string id() const override { return id_; }
  std::vector<PutPart> present() override { return present_; }
  PutPart put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
              const std::stop_token& stop) override;
  StoredObject commit(const std::vector<PutPart>& parts, const std::string& sha256,
                      const std::stop_token& stop) override;
  void abandon() noexcept override;

 private:
  S3Upload(std::shared_ptr<S3Place> place, ObjectSpec spec, std::string id, S3Capabilities can,
           bool with_crc64, std::vector<PutPart> present);

  const std::shared_ptr<S3Place> place_;
  const ObjectSpec spec_;
  const std::string id_;
  const S3Capabilities can_;
  const bool crc64_;  // the upload was begun with CRC64NVME, and the endpoint checks it
  const std::vector<PutPart> present_;
};

/// Completes an upload and proves what came of it; what is already under the key is settled by
/// content. `crc64` is sent along where the upload was begun with it. Used for uploads and for
/// copies by ranges. On Code::conflict and on success over existing content the upload is aborted.
StoredObject complete_and_prove(S3Place& place, const S3Capabilities& can, const ObjectSpec& spec,
                                const std::string& id, const std::vector<s3::PartInfo>& parts,
                                const ExpectedContent& expected, bool send_crc64,
                                const std::stop_token& stop);

}  // namespace dray
