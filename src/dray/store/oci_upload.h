// A blob on its way into a registry.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "dray/oci/client.h"
#include "dray/store/store.h"

namespace dray {

/// What the uploads of a store learn from each other.
struct OciUploadTraits {
  /// Most bytes of one request; 0 = a whole blob goes in one, however long it is. A registry or a
  /// proxy that refuses long requests (413) lowers it.
  std::atomic<std::uint64_t> chunk{0};
};

/// Parts go out in order, as the body of a single PATCH that stays open between them: no registry
/// has to put chunks together, and those behind balancers without common storage get all of it on
/// one connection. After a cut the registry is asked what it holds; one that has forgotten the
/// upload gets the blob from its beginning, which the engine reads again (Rewind).
class OciUpload final : public Upload {
 public:
  OciUpload(std::shared_ptr<oci::Client> client, std::shared_ptr<OciUploadTraits> traits,
            ObjectSpec spec, PartLayout layout, oci::UploadSession session,
            std::vector<PutPart> saved, bool taken_up);
  ~OciUpload() override;

  PartLayout layout() const override { return layout_; }
  std::string id() const override;
  std::vector<PutPart> present(const std::stop_token& stop) override;
  PutPart put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
              const std::stop_token& stop) override;
  StoredObject commit(const std::vector<PutPart>& parts, const std::string& sha256,
                      const std::stop_token& stop) override;
  /// Ends the PATCH that is open and waits for the answer: a registry may forget the bytes of one
  /// that is cut.
  void pause(const std::stop_token& stop) override;
  void abandon() noexcept override;

 private:
  oci::UploadSession session() const;
  void go_on_with(oci::UploadSession session);
  std::optional<std::uint64_t> size_held(const std::stop_token& stop);
  void send(Bytes bytes, const std::stop_token& stop);
  void send_chunks(Bytes bytes, std::uint64_t most, const std::stop_token& stop);
  void send_streamed(Bytes bytes, const std::stop_token& stop);
  void begin_stream();
  std::size_t give(MutableBytes out);
  void end_stream(const std::stop_token& stop);
  void cut_stream();
  std::uint64_t chunk() const;
  void recover(const Error& error, std::size_t attempted, const std::stop_token& stop);
  bool lower_chunk(std::uint64_t attempted);

  const std::shared_ptr<oci::Client> client_;
  const std::shared_ptr<OciUploadTraits> traits_;
  const ObjectSpec spec_;
  const PartLayout layout_;
  const std::vector<PutPart> saved_;
  const bool taken_up_;

  std::uint64_t held_ = 0;  // bytes that the registry has, or has been given
  int refused_logins_ = 0;
  int cuts_ = 0;                 // connections that ended while bytes were sent
  std::uint64_t own_chunk_ = 0;  // as OciUploadTraits::chunk, for this upload only

  mutable std::mutex mutex_;
  std::condition_variable_any cv_;
  oci::UploadSession session_;   // guarded by mutex_
  Bytes current_;                // to be sent; guarded by mutex_
  bool body_over_ = false;       // guarded by mutex_
  bool answered_ = false;        // the request is over; guarded by mutex_
  std::optional<Error> failed_;  // guarded by mutex_
  std::jthread sender_;          // while a PATCH is open
};

}  // namespace dray
