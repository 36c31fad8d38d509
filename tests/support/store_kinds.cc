#include "tests/support/store_kinds.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <fstream>

#include "dray/store/dir_store.h"
#include "tests/support/memory_store.h"
#include "tests/support/s3_store_place.h"
#include "tests/support/temp_folder.h"

namespace dray::test {
namespace {

class MemoryPlace : public StorePlace {
 public:
  explicit MemoryPlace(MemoryStoreOptions options) : store_(std::move(options)) {}

  std::unique_ptr<Store> open() override { return std::make_unique<Shared>(store_); }
  void plant(const std::string& key, const std::string& content) override {
    store_.plant(key, content);
  }
  bool spoil_part(const std::string& key, const std::string&, const PutPart& part) override {
    store_.flip_part(key, part.index);
    return true;
  }

 private:
  /// Stands for another process' store on the same memory.
  class Shared : public Store {
   public:
    explicit Shared(MemoryStore& store) : s_(store) {}
    const StoreProperties& properties() const override { return s_.properties(); }
    void preflight(const std::stop_token& stop) override { s_.preflight(stop); }
    StateStore& state() override { return s_.state(); }
    PartLayout layout(std::uint64_t size) const override { return s_.layout(size); }
    std::unique_ptr<Upload> begin(const ObjectSpec& spec, const SavedUpload* saved,
                                  const std::stop_token& stop) override {
      return s_.begin(spec, saved, stop);
    }
    StoredObject create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                        const std::stop_token& stop) override {
      return s_.create(spec, bytes, sha256, stop);
    }
    std::optional<StoredObject> copy(const StoredObject& from, const ObjectSpec& spec,
                                     const std::stop_token& stop) override {
      return s_.copy(from, spec, stop);
    }
    std::optional<CutLimits> range_copies(const StoredObject& from, std::uint64_t size,
                                          const std::stop_token& stop) override {
      return s_.range_copies(from, size, stop);
    }
    std::optional<StoredObject> stat(const std::string& key, const std::stop_token& stop) override {
      return s_.stat(key, stop);
    }
    std::vector<Listed> list(const std::string& prefix, const std::stop_token& stop) override {
      return s_.list(prefix, stop);
    }
    std::vector<std::string> list_names(const std::string& prefix,
                                        const std::stop_token& stop) override {
      return s_.list_names(prefix, stop);
    }
    void read(const std::string& key, const std::string& etag, std::uint64_t offset,
              MutableBytes out, const std::stop_token& stop) override {
      s_.read(key, etag, offset, out, stop);
    }
    void remove(const std::string& key, const std::stop_token& stop) override {
      s_.remove(key, stop);
    }
    std::vector<UnfinishedUpload> unfinished(const std::string& prefix,
                                             const std::stop_token& stop) override {
      return s_.unfinished(prefix, stop);
    }
    void abandon(const UnfinishedUpload& upload, const std::stop_token& stop) override {
      s_.abandon(upload, stop);
    }
    std::string serving_uri(const std::string& key) const override { return s_.serving_uri(key); }

   private:
    MemoryStore& s_;
  };

  MemoryStore store_;
};

class DirPlace : public StorePlace {
 public:
  explicit DirPlace(const std::filesystem::path& parent) : folder_(parent) {}
  std::unique_ptr<Store> open() override { return std::make_unique<DirStore>(root()); }
  void plant(const std::string& key, const std::string& content) override {
    const auto path = root() / key;
    std::filesystem::create_directories(path.parent_path());
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary) << content;
  }
  bool spoil_part(const std::string&, const std::string& id, const PutPart& part) override {
    std::fstream file(root() / ".dray" / "tmp" / id,
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(part.index * (16 << 20) + 100));
    file.write("spoiled", 7);
    return static_cast<bool>(file);
  }

 private:
  std::filesystem::path root() const { return folder_.path() / "store"; }
  TempFolder folder_;
};

constexpr const char* kShm = "/dev/shm";

bool is_tmpfs(const char* folder) {
  struct statfs info{};
  return ::statfs(folder, &info) == 0 && info.f_type == TMPFS_MAGIC && ::access(folder, W_OK) == 0;
}

}  // namespace

std::vector<StoreKind> store_kinds() {
  std::vector<StoreKind> out;
  out.push_back({"memory", [] { return std::make_unique<MemoryPlace>(MemoryStoreOptions{}); }});
  out.push_back({"memory_in_order", [] {
                   return std::make_unique<MemoryPlace>(
                       MemoryStoreOptions{.in_order = true, .copy = false});
                 }});
  const auto here = std::filesystem::temp_directory_path();
  out.push_back({"dir", [=] { return std::make_unique<DirPlace>(here); }});
  if (is_tmpfs(kShm))  // has no way to share blocks
    out.push_back({"dir_tmpfs", [] { return std::make_unique<DirPlace>(kShm); }});
  out.push_back({"s3", [] { return fake_s3_place({}); }});
  out.push_back({"s3_rgw16", [] { return fake_s3_place(FakeS3Options::rgw16()); }});
  out.push_back({"s3_minio", [] { return fake_s3_place(FakeS3Options::minio()); }});
  out.push_back({"s3_old_checksums", [] { return fake_s3_place(FakeS3Options::old_checksums()); }});
  out.push_back({"s3_careless", [] { return fake_s3_place(careless_s3()); }, false});
  if (real_s3_place()) out.push_back({"s3_real", [] { return real_s3_place(); }});
  return out;
}

}  // namespace dray::test
