// One object of a directory store in the making.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dray/store/dir_tree.h"
#include "dray/store/store.h"

namespace dray::dir {

inline constexpr std::uint64_t kPartSize = 16 * kMiB;

/// What `<id>.key` beside a temporary file says: format in docs/formats/store-layout.md.
struct Sidecar {
  std::string key;
  std::uint64_t size = 0;
};
std::string sidecar_text(const Sidecar& sidecar);
/// nullopt for anything that is not a sidecar.
std::optional<Sidecar> parse_sidecar(std::string_view text);
/// The sidecar of an upload id; nullopt for ids that are not ours or gone.
std::optional<Sidecar> read_sidecar(const Tree& tree, const std::string& id);
/// Removes the temporary file and its sidecar; ids that are not ours are left alone.
void remove_upload(const Tree& tree, const std::string& id);
/// Ids that have a sidecar.
std::vector<std::string> upload_ids(const Tree& tree);

/// Parts are written at their place in a sparse file root/.dray/tmp/<id>.
class DirUpload : public Upload {
 public:
  static std::unique_ptr<DirUpload> start(const Tree& tree, const ObjectSpec& spec);
  /// nullptr if the saved upload is gone or was not of this object.
  static std::unique_ptr<DirUpload> take_up(const Tree& tree, const ObjectSpec& spec,
                                            const SavedUpload& saved);

  PartLayout layout() const override { return layout_; }
  std::string id() const override { return id_; }
  /// Reads the saved parts back: a power cut may have eaten what was acknowledged.
  std::vector<PutPart> present(const std::stop_token& stop) override;
  PutPart put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
              const std::stop_token& stop) override;
  /// Read back at once: the copy is as good as the bytes.
  std::optional<PutPart> put_copy(std::uint64_t index, const StoredRange& from, Bytes bytes,
                                  std::uint64_t crc64, const std::stop_token& stop) override;
  StoredObject commit(const std::vector<PutPart>& parts, const std::string& sha256,
                      const std::stop_token& stop) override;
  void abandon() noexcept override;

 private:
  DirUpload(const Tree& tree, ObjectSpec spec, std::string id, Fd fd, std::vector<PutPart> saved);
  bool holds(const PutPart& part, const std::stop_token& stop) const;  // by reading it
  void check_part(std::uint64_t index, std::uint64_t size) const;
  /// Not proved from now on: about to be written.
  void forget(std::uint64_t index);
  /// Written. Its way to the disk begins now, so that commit() has little left to wait for.
  PutPart written(std::uint64_t index, std::uint64_t crc64);
  void check_parts(const std::vector<PutPart>& parts, const std::stop_token& stop);

  const Tree tree_;
  const ObjectSpec spec_;
  const PartLayout layout_;
  const std::string id_;
  const Fd fd_;
  const std::vector<PutPart> saved_;
  std::mutex mutex_;
  std::map<std::uint64_t, std::uint64_t> proved_;  // CRC64 by part: written by us or read back
};

}  // namespace dray::dir
