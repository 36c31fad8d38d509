// A store in memory with switches for everything a real one may do badly. The engine's tests use
// it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "dray/base/error.h"
#include "dray/store/store.h"

namespace dray::test {

struct MemoryStoreOptions {
  std::string uri = "memory:/store";
  std::uint64_t part_size = 8 * kMiB;  // any size > 0: tests like small parts
  bool in_order = false;        // parts only ascending and one at a time, as registries take them
  bool copy = true;             // server-side copy
  bool etags = true;            // parts and objects carry ETags; else ""
  bool uploads_by_key = false;  // unfinished() takes the prefix for a whole key, as MinIO does
};

/// One call of the store's interface, recorded when it begins.
/// Verbs: preflight range_copies begin put put_copy commit abandon present create copy stat list
/// list_names read remove unfinished, state.get state.create state.put state.list state.remove.
struct MemoryCall {
  std::string verb;
  std::string key;          // "" where the call has none
  std::uint64_t index = 0;  // part number of put
  std::uint64_t size = 0;   // bytes given or asked for
};

/// Thread-safe. Behaves as strictly as the strictest server: a commit must name every part the
/// upload holds, with the ETags and sizes that were answered; wrong part sizes, wrong CRC64s and
/// parts out of order (in_order) are errors.
class MemoryStore : public Store {
 public:
  using Hook = std::function<void(const MemoryCall&)>;

  explicit MemoryStore(MemoryStoreOptions options = {});
  ~MemoryStore() override;

  // ---- faults ----
  /// Called at the beginning (before anything happened) or the end (all done, answer not yet given)
  /// of every call, on the caller's thread and without a lock: may throw, block, or call the store.
  /// Set before threads start.
  void before(Hook hook);
  void after(Hook hook);
  /// The `nth` (1 = next) call of `verb` from now on fails with `error` and does nothing.
  void fail(const std::string& verb, int nth, Error error);
  /// … is carried out, but its reply is lost: an ambiguous Code::network error.
  void lose_reply(const std::string& verb, int nth);
  /// … keeps only the first `offset` bytes of its upload and throws Rewind{offset} (in_order).
  void rewind(int nth_put, std::uint64_t offset);
  /// All unfinished uploads are gone, as after a server's clean-up.
  void forget_uploads();
  /// An unfinished upload of `key` loses part `index`, or (flip) holds other bytes for it, with
  /// another ETag.
  void lose_part(const std::string& key, std::uint64_t index);
  void flip_part(const std::string& key, std::uint64_t index);

  // ---- looking in ----
  std::vector<MemoryCall> calls() const;
  std::size_t count(const std::string& verb) const;
  /// Content of an object or state object.
  std::optional<std::string> content(const std::string& key) const;
  std::vector<std::string> keys(const std::string& prefix = "") const;
  std::size_t uploads() const;  // unfinished ones
  /// Puts an object there behind everyone's back, with a new ETag.
  void plant(const std::string& key, std::string content);
  /// Moves the store's clock, from which ages are told.
  void advance(std::chrono::seconds by);

  // ---- Store ----
  const StoreProperties& properties() const override { return properties_; }
  void preflight(const std::stop_token& stop) override;
  StateStore& state() override;
  PartLayout layout(std::uint64_t object_size) const override;
  std::unique_ptr<Upload> begin(const ObjectSpec& spec, const SavedUpload* saved,
                                const std::stop_token& stop) override;
  StoredObject create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                      const std::stop_token& stop) override;
  std::optional<StoredObject> copy(const StoredObject& from, const ObjectSpec& spec,
                                   const std::stop_token& stop) override;
  std::optional<CutLimits> range_copies(const StoredObject& from, std::uint64_t object_size,
                                        const std::stop_token& stop) override;
  std::optional<StoredObject> stat(const std::string& key, const std::stop_token& stop) override;
  std::vector<Listed> list(const std::string& prefix, const std::stop_token& stop) override;
  std::vector<std::string> list_names(const std::string& prefix,
                                      const std::stop_token& stop) override;
  void read(const std::string& key, const std::string& etag, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override;
  void remove(const std::string& key, const std::stop_token& stop) override;
  std::vector<UnfinishedUpload> unfinished(const std::string& prefix,
                                           const std::stop_token& stop) override;
  void abandon(const UnfinishedUpload& upload, const std::stop_token& stop) override;
  std::string serving_uri(const std::string& key) const override;

 private:
  class MemoryUpload;
  class MemoryState;
  struct Part {
    std::string bytes;
    std::uint64_t crc64 = 0;
    std::string etag;
  };
  struct Pending {
    ObjectSpec spec;
    std::map<std::uint64_t, Part> parts;
  };
  struct Object {
    std::string bytes;
    std::string etag;
    std::optional<std::uint64_t> crc64;
    std::vector<std::pair<std::string, std::string>> metadata;
    std::chrono::seconds written{0};
  };
  struct Fault {
    enum class Kind { fail, lose, rewind } kind = Kind::fail;
    std::string verb;
    int countdown = 0;
    std::optional<Error> error;
    std::uint64_t offset = 0;
  };

  /// Records the call, runs the hook and throws what was ordered; the fault to apply after or
  /// during it otherwise.
  std::optional<Fault> enter(MemoryCall call, const std::stop_token& stop);
  void leave(const MemoryCall& call, const std::optional<Fault>& fault);
  std::string next_etag();  // mutex_ held
  StoredObject publish(const ObjectSpec& spec, std::string bytes,
                       const std::string& sha256);  // mutex_ held
  StoredObject describe(const std::string& key, const Object& object) const;
  Pending& pending(const std::string& id, const std::string& key);

  MemoryStoreOptions options_;
  StoreProperties properties_;
  std::unique_ptr<MemoryState> state_;
  Hook before_, after_;
  mutable std::mutex mutex_;
  std::vector<MemoryCall> calls_;
  std::vector<Fault> faults_;
  std::map<std::string, Object> objects_;
  std::map<std::string, Pending> pending_;  // by upload id
  std::uint64_t serial_ = 0;
  std::chrono::seconds now_{0};
};

}  // namespace dray::test
