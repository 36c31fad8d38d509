#include "dray/transfer/digest_objects.h"

#include <map>
#include <mutex>
#include <utility>

#include "dray/base/error.h"
#include "dray/source/source.h"
#include "dray/transfer/engine.h"

namespace dray {

namespace {

constexpr std::uint64_t kReadPart = 32 * kMiB;  // memory unit where no part size is given

/// Reads the objects to be hashed.
class StoredObjects final : public Source {
 public:
  StoredObjects(Store& store, const std::vector<ObjectToRead>& objects) : store_(store) {
    for (const auto& object : objects) by_path_[object.key] = &object;
  }
  Snapshot snapshot(const std::stop_token&) override { return {}; }
  void read(const FileEntry& file, std::uint64_t offset, MutableBytes out,
            const std::stop_token& stop) override {
    const ObjectToRead& object = *by_path_.at(file.path);
    store_.read(object.key, object.etag, offset, out, stop);
  }
  std::string name() const override { return store_.properties().uri; }

 private:
  Store& store_;
  std::map<std::string, const ObjectToRead*> by_path_;
};

/// Stores nothing: what is read is only hashed.
class Nowhere final : public Store {
 public:
  explicit Nowhere(const std::vector<ObjectToRead>& objects) {
    for (const auto& object : objects)
      part_size_[object.size] = std::max(part_size_[object.size], object.part_size);
  }
  const StoreProperties& properties() const override { return properties_; }
  void preflight(const std::stop_token&) override {}
  StateStore& state() override { throw Error(Code::internal, "no state here"); }
  PartLayout layout(std::uint64_t size) const override {
    const auto it = part_size_.find(size);
    const std::uint64_t part = it == part_size_.end() || it->second == 0 ? kReadPart : it->second;
    return {size, part, false};
  }
  std::unique_ptr<Upload> begin(const ObjectSpec& spec, const SavedUpload*,
                                const std::stop_token&) override {
    return std::make_unique<Discard>(spec, layout(spec.size));
  }
  StoredObject create(const ObjectSpec& spec, Bytes, const std::string&,
                      const std::stop_token&) override {
    return {spec.key, spec.size, "", std::nullopt, {}};
  }
  std::optional<StoredObject> copy(const StoredObject&, const ObjectSpec&,
                                   const std::stop_token&) override {
    return std::nullopt;
  }
  std::optional<StoredObject> stat(const std::string&, const std::stop_token&) override {
    return std::nullopt;
  }
  std::vector<Listed> list(const std::string&, const std::stop_token&) override { return {}; }
  std::vector<std::string> list_names(const std::string&, const std::stop_token&) override {
    return {};
  }
  void read(const std::string& key, const std::string&, std::uint64_t, MutableBytes,
            const std::stop_token&) override {
    throw Error(Code::not_found, "nothing is stored here").on("read", key);
  }
  void remove(const std::string&, const std::stop_token&) override {}
  std::vector<UnfinishedUpload> unfinished(const std::string&, const std::stop_token&) override {
    return {};
  }
  void abandon(const UnfinishedUpload&, const std::stop_token&) override {}
  std::string serving_uri(const std::string& key) const override { return key; }

 private:
  class Discard final : public Upload {
   public:
    Discard(const ObjectSpec& spec, PartLayout layout) : spec_(spec), layout_(layout) {}
    PartLayout layout() const override { return layout_; }
    std::string id() const override { return "-"; }
    std::vector<PutPart> present(const std::stop_token&) override { return {}; }
    PutPart put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
                const std::stop_token&) override {
      return {index, bytes.size(), crc64, ""};
    }
    StoredObject commit(const std::vector<PutPart>&, const std::string&,
                        const std::stop_token&) override {
      return {spec_.key, spec_.size, "", std::nullopt, {}};
    }
    void abandon() noexcept override {}

   private:
    ObjectSpec spec_;
    PartLayout layout_;
  };

  StoreProperties properties_{"nowhere:", "nowhere", false, false};
  std::map<std::uint64_t, std::uint64_t> part_size_;  // by object size
};

TransferPlan reading_plan(const std::vector<FileEntry>& files) {
  TransferPlan plan;
  for (const auto& file : files) {
    ObjectPlan made;
    made.spec.key = file.path;
    made.spec.size = file.size;
    made.label = file.path;
    made.segments = {SourceSegment{plan.units.size(), {0, file.size}}};
    plan.units.push_back(file);
    plan.objects.push_back(std::move(made));
  }
  return plan;
}

}  // namespace

std::vector<ObjectResult> digest_objects(Store& store, const std::vector<ObjectToRead>& objects,
                                         const TransferOptions& options, Progress& progress,
                                         const std::stop_token& stop) {
  std::vector<FileEntry> files;
  for (const auto& object : objects)
    files.push_back({object.key, object.size, {"", object.git_sha1_of}});
  TransferPlan plan = reading_plan(files);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    plan.objects[i].label = objects[i].label;
    plan.objects[i].digests = objects[i].digests;
  }
  StoredObjects source(store, objects);
  Nowhere nowhere(objects);
  Engine engine(source, nowhere, options, progress);
  auto results = engine.run(plan, {}, stop);
  for (std::size_t i = 0; i < results.size(); ++i) {
    results[i].etag = objects[i].etag;
    if (objects[i].part_size == 0 && results[i].part_crc64.size() != 1) {
      results[i].part_size = kReadPart;
    }
  }
  return results;
}

void read_through(Source& source, const std::vector<FileEntry>& files,
                  const std::vector<std::shared_ptr<Transform>>& transforms,
                  const TransferOptions& options, Progress& progress, const std::stop_token& stop) {
  TransferPlan plan = reading_plan(files);
  for (std::size_t i = 0; i < files.size(); ++i) {
    plan.objects[i].transform = transforms.at(i);
    plan.objects[i].spec.size = 0;
  }
  Nowhere nowhere({});
  Engine engine(source, nowhere, options, progress);
  engine.run(plan, {}, stop);
}

std::vector<ObjectResult> digest_files(Source& source, const std::vector<FileEntry>& files,
                                       const TransferOptions& options, Progress& progress,
                                       const std::stop_token& stop) {
  const TransferPlan plan = reading_plan(files);
  Nowhere nowhere({});
  Engine engine(source, nowhere, options, progress);
  return engine.run(plan, {}, stop);
}

}  // namespace dray
