#include "tests/support/memory_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/time.h"

namespace dray::test {

class MemoryStore::MemoryState : public StateStore {
 public:
  explicit MemoryState(MemoryStore& store) : store_(store) {}

  std::optional<std::string> get(const std::string& key, const std::stop_token& stop) override {
    const MemoryCall call{"state.get", key, 0, 0};
    const auto fault = store_.enter(call, stop);
    auto out = store_.content(key);
    store_.leave(call, fault);
    return out;
  }

  bool create_if_absent(const std::string& key, std::string_view content,
                        const std::stop_token& stop) override {
    const MemoryCall call{"state.create", key, 0, content.size()};
    const auto fault = store_.enter(call, stop);
    bool made = false;
    {
      const std::lock_guard lock(store_.mutex_);
      if (!store_.objects_.contains(key)) {
        write(key, content);
        made = true;
      }
    }
    store_.leave(call, fault);
    return made;
  }

  void put(const std::string& key, std::string_view content, const std::stop_token& stop) override {
    const MemoryCall call{"state.put", key, 0, content.size()};
    const auto fault = store_.enter(call, stop);
    {
      const std::lock_guard lock(store_.mutex_);
      write(key, content);
    }
    store_.leave(call, fault);
  }

  std::vector<StateItem> list(const std::string& prefix, const std::stop_token& stop) override {
    const MemoryCall call{"state.list", prefix, 0, 0};
    const auto fault = store_.enter(call, stop);
    std::vector<StateItem> out;
    {
      const std::lock_guard lock(store_.mutex_);
      for (const auto& [key, object] : store_.objects_)
        if (key.starts_with(prefix))
          out.push_back({key, object.bytes.size(), store_.now_ - object.written});
    }
    store_.leave(call, fault);
    return out;
  }

  void remove(const std::string& key, const std::stop_token& stop) override {
    const MemoryCall call{"state.remove", key, 0, 0};
    const auto fault = store_.enter(call, stop);
    {
      const std::lock_guard lock(store_.mutex_);
      store_.objects_.erase(key);
    }
    store_.leave(call, fault);
  }

 private:
  void write(const std::string& key, std::string_view content) {  // store_.mutex_ held
    store_.objects_[key] = {
        std::string(content), store_.next_etag(), std::nullopt, {}, store_.now_};
  }

  MemoryStore& store_;
};

class MemoryStore::MemoryUpload : public Upload {
 public:
  MemoryUpload(MemoryStore& store, std::string id, ObjectSpec spec, std::vector<PutPart> saved)
      : store_(store), id_(std::move(id)), spec_(std::move(spec)), saved_(std::move(saved)) {}

  PartLayout layout() const override { return layout_for(spec_, store_.layout(spec_.size)); }
  std::string id() const override { return id_; }

  std::vector<PutPart> present(const std::stop_token& stop) override {
    const MemoryCall call{"present", spec_.key, 0, 0};
    const auto fault = store_.enter(call, stop);
    std::vector<PutPart> out;
    {
      const std::lock_guard lock(store_.mutex_);
      const auto found = store_.pending_.find(id_);
      if (found != store_.pending_.end())
        for (const auto& saved : saved_) {
          const auto part = found->second.parts.find(saved.index);
          if (part == found->second.parts.end()) continue;
          if (part->second.bytes.size() == saved.size && part->second.etag == saved.etag &&
              part->second.crc64 == saved.crc64)
            out.push_back(saved);
        }
    }
    store_.leave(call, fault);
    return out;
  }

  PutPart put(std::uint64_t index, Bytes bytes, std::uint64_t crc64,
              const std::stop_token& stop) override {
    const MemoryCall call{"put", spec_.key, index, bytes.size()};
    const auto fault = store_.enter(call, stop);
    PutPart out{index, bytes.size(), crc64, {}};
    {
      const std::lock_guard lock(store_.mutex_);
      if (fault && fault->kind == Fault::Kind::rewind) rewind(fault->offset);
      auto& pending = store_.pending(id_, spec_.key);
      if (store_.options_.in_order && index != pending.parts.size()) {
        if (!rewound_)
          throw Error(Code::internal,
                      fmt::format("part {} put where {} was expected", index, pending.parts.size()))
              .on("put", spec_.key);
        throw Rewind(
            std::min<std::uint64_t>(pending.parts.size() * layout().part_size, spec_.size));
      }
      if (bytes.size() != layout().part(index).length)
        throw Error(Code::internal, fmt::format("part {} has {} bytes", index, bytes.size()))
            .on("put", spec_.key);
      if (crc64nvme(0, bytes) != crc64)
        throw Error(Code::verification, "the checksum does not fit the bytes")
            .on("put", spec_.key)
            .from(Side::destination);
      auto& part = pending.parts[index];
      part = {std::string(as_text(bytes)), crc64, store_.next_etag()};
      out.etag = part.etag;
    }
    store_.leave(call, fault);
    return out;
  }

  std::optional<PutPart> put_copy(std::uint64_t index, const StoredRange& from, Bytes,
                                  std::uint64_t crc64, const std::stop_token& stop) override {
    const MemoryCall call{"put_copy", spec_.key, index, from.range.length};
    const auto fault = store_.enter(call, stop);
    std::optional<PutPart> out;
    {
      const std::lock_guard lock(store_.mutex_);
      const auto source = store_.objects_.find(from.key);
      if (store_.options_.copy && source != store_.objects_.end() &&
          source->second.etag == from.etag && source->second.bytes.size() >= from.range.end()) {
        auto& part = store_.pending(id_, spec_.key).parts[index];
        part = {source->second.bytes.substr(from.range.offset, from.range.length), crc64,
                store_.next_etag()};
        if (crc64nvme(0, as_bytes(part.bytes)) == crc64 &&
            from.range.length == layout().part(index).length)
          out = PutPart{index, from.range.length, crc64, part.etag};
      }
    }
    store_.leave(call, fault);
    return out;
  }

  StoredObject commit(const std::vector<PutPart>& parts, const std::string& sha256,
                      const std::stop_token& stop) override {
    const MemoryCall call{"commit", spec_.key, parts.size(), spec_.size};
    const auto fault = store_.enter(call, stop);
    StoredObject out;
    {
      const std::lock_guard lock(store_.mutex_);
      const auto found = store_.pending_.find(id_);
      if (found == store_.pending_.end()) {
        // As after a lost reply: what is there decides.
        const auto object = store_.objects_.find(spec_.key);
        if (object == store_.objects_.end() ||
            Sha256::hex_of(as_bytes(object->second.bytes)) != sha256)
          throw Error(Code::not_found, "the upload is gone")
              .on("commit", spec_.key)
              .from(Side::destination);
        out = store_.describe(spec_.key, object->second);
      } else {
        const std::string bytes = joined(found->second, parts);
        try {
          out = store_.publish(spec_, bytes, sha256);
        } catch (const Error& e) {
          if (e.code() == Code::conflict) store_.pending_.erase(found);
          throw;
        }
        store_.pending_.erase(found);
      }
    }
    store_.leave(call, fault);
    return out;
  }

  void abandon() noexcept override {
    try {
      const MemoryCall call{"abandon", spec_.key, 0, 0};
      const auto fault = store_.enter(call, {});
      {
        const std::lock_guard lock(store_.mutex_);
        store_.pending_.erase(id_);
      }
      store_.leave(call, fault);
    } catch (...) {  // what a hook throws is what a server's failure would be: only logged
      static_cast<void>(current_error());
    }
  }

 private:
  [[noreturn]] void rewind(std::uint64_t offset) {
    auto& pending = store_.pending(id_, spec_.key);
    const std::uint64_t keep = offset / layout().part_size;
    pending.parts.erase(pending.parts.lower_bound(keep), pending.parts.end());
    rewound_ = true;
    throw Rewind(keep * layout().part_size);
  }

  std::string joined(const Pending& pending, const std::vector<PutPart>& parts) const {
    const auto refuse = [&](std::string why) {
      return Error(Code::internal, std::move(why)).on("commit", spec_.key).from(Side::destination);
    };
    if (parts.size() != layout().count() || pending.parts.size() != parts.size())
      throw refuse(fmt::format("{} parts named, {} held, {} expected", parts.size(),
                               pending.parts.size(), layout().count()));
    std::string bytes;
    bytes.reserve(spec_.size);
    for (std::uint64_t i = 0; i < parts.size(); ++i) {
      const auto held = pending.parts.find(parts[i].index);
      if (parts[i].index != i || held == pending.parts.end() ||
          held->second.etag != parts[i].etag || held->second.crc64 != parts[i].crc64 ||
          held->second.bytes.size() != parts[i].size)
        throw refuse(fmt::format("part {} is not the one that was put", i));
      bytes += held->second.bytes;
    }
    return bytes;
  }

  MemoryStore& store_;
  const std::string id_;
  const ObjectSpec spec_;
  const std::vector<PutPart> saved_;
  bool rewound_ = false;
};

MemoryStore::MemoryStore(MemoryStoreOptions options)
    : options_(std::move(options)), state_(std::make_unique<MemoryState>(*this)) {
  properties_ = {options_.uri, "memory", false, options_.copy};
}

MemoryStore::~MemoryStore() = default;

void MemoryStore::before(Hook hook) { before_ = std::move(hook); }
void MemoryStore::after(Hook hook) { after_ = std::move(hook); }

void MemoryStore::fail(const std::string& verb, int nth, Error error) {
  const std::lock_guard lock(mutex_);
  faults_.push_back({Fault::Kind::fail, verb, nth, std::move(error), 0});
}

void MemoryStore::lose_reply(const std::string& verb, int nth) {
  const std::lock_guard lock(mutex_);
  faults_.push_back({Fault::Kind::lose, verb, nth, std::nullopt, 0});
}

void MemoryStore::rewind(int nth_put, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  faults_.push_back({Fault::Kind::rewind, "put", nth_put, std::nullopt, offset});
}

void MemoryStore::forget_uploads() {
  const std::lock_guard lock(mutex_);
  pending_.clear();
}

void MemoryStore::lose_part(const std::string& key, std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, pending] : pending_)
    if (pending.spec.key == key) pending.parts.erase(index);
}

void MemoryStore::flip_part(const std::string& key, std::uint64_t index) {
  const std::lock_guard lock(mutex_);
  for (auto& [id, pending] : pending_) {
    const auto part = pending.parts.find(index);
    if (pending.spec.key != key || part == pending.parts.end() || part->second.bytes.empty())
      continue;
    part->second.bytes[0] = static_cast<char>(part->second.bytes[0] ^ 1);
    part->second.crc64 = crc64nvme(0, as_bytes(part->second.bytes));
    part->second.etag = next_etag();
  }
}

std::vector<MemoryCall> MemoryStore::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::size_t MemoryStore::count(const std::string& verb) const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(calls_.begin(), calls_.end(), [&](const auto& c) { return c.verb == verb; }));
}

std::optional<std::string> MemoryStore::content(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end()) return std::nullopt;
  return found->second.bytes;
}

std::vector<std::string> MemoryStore::keys(const std::string& prefix) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [key, object] : objects_)
    if (key.starts_with(prefix)) out.push_back(key);
  return out;
}

std::size_t MemoryStore::uploads() const {
  const std::lock_guard lock(mutex_);
  return pending_.size();
}

void MemoryStore::plant(const std::string& key, std::string content) {
  const std::lock_guard lock(mutex_);
  objects_[key] = {std::move(content), next_etag(), std::nullopt, {}, now_};
}

void MemoryStore::advance(std::chrono::seconds by) {
  const std::lock_guard lock(mutex_);
  now_ += by;
}

std::optional<MemoryStore::Fault> MemoryStore::enter(MemoryCall call, const std::stop_token& stop) {
  throw_if_stopped(stop);
  std::optional<Fault> due;
  {
    const std::lock_guard lock(mutex_);
    calls_.push_back(call);
    for (auto& fault : faults_)
      if (fault.verb == call.verb && --fault.countdown == 0 && !due) due = fault;
    std::erase_if(faults_, [](const Fault& f) { return f.countdown <= 0; });
  }
  if (before_) before_(call);
  if (due && due->kind == Fault::Kind::fail) throw Error(*due->error);
  return due;
}

void MemoryStore::leave(const MemoryCall& call, const std::optional<Fault>& fault) {
  if (after_) after_(call);
  if (fault && fault->kind == Fault::Kind::lose)
    throw Error(Code::network, "the reply was lost")
        .on(call.verb, call.key)
        .from(Side::destination)
        .ambiguous();
}

std::string MemoryStore::next_etag() {
  ++serial_;
  return options_.etags ? fmt::format("\"m{}\"", serial_) : std::string();
}

MemoryStore::Pending& MemoryStore::pending(const std::string& id, const std::string& key) {
  const auto found = pending_.find(id);
  if (found != pending_.end()) return found->second;
  if (options_.in_order) throw Rewind(0);
  throw Error(Code::not_found, "the upload is gone").on("put", key).from(Side::destination);
}

StoredObject MemoryStore::describe(const std::string& key, const Object& object) const {
  return {key, object.bytes.size(), object.etag, object.crc64, object.metadata};
}

StoredObject MemoryStore::publish(const ObjectSpec& spec, std::string bytes,
                                  const std::string& sha256) {
  const std::string actual = Sha256::hex_of(as_bytes(bytes));
  if (bytes.size() != spec.size || (!sha256.empty() && sha256 != actual))
    throw Error(Code::verification, fmt::format("holds {} bytes with SHA-256 {}, not {} with {}",
                                                bytes.size(), actual, spec.size, sha256))
        .on("commit", spec.key)
        .from(Side::destination);
  const auto found = objects_.find(spec.key);
  if (found != objects_.end()) {
    if (found->second.bytes == bytes) return describe(spec.key, found->second);
    throw Error(Code::conflict, "other content is already there")
        .on("commit", spec.key)
        .from(Side::destination);
  }
  const std::uint64_t crc = crc64nvme(0, as_bytes(bytes));
  const auto at = objects_.insert_or_assign(
      spec.key, Object{std::move(bytes), next_etag(), crc, spec.metadata, now_});
  return describe(spec.key, at.first->second);
}

void MemoryStore::preflight(const std::stop_token& stop) {
  const MemoryCall call{"preflight", "", 0, 0};
  leave(call, enter(call, stop));
}

StateStore& MemoryStore::state() { return *state_; }

PartLayout MemoryStore::layout(std::uint64_t object_size) const {
  return {object_size, options_.part_size, options_.in_order};
}

std::unique_ptr<Upload> MemoryStore::begin(const ObjectSpec& spec, const SavedUpload* saved,
                                           const std::stop_token& stop) {
  const PartLayout layout = layout_for(spec, this->layout(spec.size));
  const MemoryCall call{"begin", spec.key, 0, spec.size};
  const auto fault = enter(call, stop);
  std::string id;
  std::vector<PutPart> parts;
  {
    const std::lock_guard lock(mutex_);
    if (saved != nullptr) {
      const auto found = pending_.find(saved->id);
      if (found != pending_.end() && found->second.spec.key == spec.key &&
          found->second.spec.size == spec.size && saved->part_size == layout.part_size &&
          saved->cut == layout.cut()) {
        id = saved->id;
        parts = saved->parts;
      }
    }
    if (id.empty()) {
      id = fmt::format("upload-{}", ++serial_);
      pending_[id] = {spec, {}};
    }
  }
  leave(call, fault);
  return std::make_unique<MemoryUpload>(*this, std::move(id), spec, std::move(parts));
}

StoredObject MemoryStore::create(const ObjectSpec& spec, Bytes bytes, const std::string& sha256,
                                 const std::stop_token& stop) {
  const MemoryCall call{"create", spec.key, 0, bytes.size()};
  const auto fault = enter(call, stop);
  StoredObject out;
  {
    const std::lock_guard lock(mutex_);
    out = publish(spec, std::string(as_text(bytes)), sha256);
  }
  leave(call, fault);
  return out;
}

std::optional<StoredObject> MemoryStore::copy(const StoredObject& from, const ObjectSpec& spec,
                                              const std::stop_token& stop) {
  const MemoryCall call{"copy", spec.key, 0, from.size};
  const auto fault = enter(call, stop);
  std::optional<StoredObject> out;
  if (options_.copy) {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(from.key);
    if (found != objects_.end() && found->second.etag == from.etag)
      out = publish(spec, found->second.bytes, spec.sha256);
  }
  leave(call, fault);
  return out;
}

std::optional<CutLimits> MemoryStore::range_copies(const StoredObject& from, std::uint64_t,
                                                   const std::stop_token& stop) {
  const MemoryCall call{"range_copies", from.key, 0, from.size};
  leave(call, enter(call, stop));
  if (!options_.copy || options_.in_order) return std::nullopt;
  return CutLimits{std::max<std::uint64_t>(1, options_.part_size / 4), options_.part_size,
                   16 * options_.part_size, 10'000};
}

std::optional<StoredObject> MemoryStore::stat(const std::string& key, const std::stop_token& stop) {
  const MemoryCall call{"stat", key, 0, 0};
  const auto fault = enter(call, stop);
  std::optional<StoredObject> out;
  {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    if (found != objects_.end()) out = describe(key, found->second);
  }
  leave(call, fault);
  return out;
}

std::vector<Listed> MemoryStore::list(const std::string& prefix, const std::stop_token& stop) {
  const MemoryCall call{"list", prefix, 0, 0};
  const auto fault = enter(call, stop);
  std::vector<Listed> out;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, object] : objects_)
      if (key.starts_with(prefix)) out.push_back({key, object.bytes.size(), object.etag});
  }
  leave(call, fault);
  return out;
}

std::vector<std::string> MemoryStore::list_names(const std::string& prefix,
                                                 const std::stop_token& stop) {
  const MemoryCall call{"list_names", prefix, 0, 0};
  const auto fault = enter(call, stop);
  std::vector<std::string> out;
  for (const auto& key : keys(prefix)) {
    const std::string name =
        key.substr(prefix.size(), key.find('/', prefix.size()) - prefix.size());
    if (!name.empty()) out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  leave(call, fault);
  return out;
}

void MemoryStore::read(const std::string& key, const std::string& etag, std::uint64_t offset,
                       MutableBytes out, const std::stop_token& stop) {
  const MemoryCall call{"read", key, offset, out.size()};
  const auto fault = enter(call, stop);
  {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(key);
    if (found == objects_.end())
      throw Error(Code::not_found, "no such object").on("read", key).from(Side::destination);
    if (!etag.empty() && etag != found->second.etag)
      throw Error(Code::precondition, "the object is another one now")
          .on("read", key)
          .from(Side::destination);
    const auto& bytes = found->second.bytes;
    if (offset > bytes.size() || bytes.size() - offset < out.size())
      throw Error(Code::malformed, "the object is shorter").on("read", key).from(Side::destination);
    const Bytes from = as_bytes(bytes).subspan(offset, out.size());
    std::copy(from.begin(), from.end(), out.begin());
  }
  leave(call, fault);
}

void MemoryStore::remove(const std::string& key, const std::stop_token& stop) {
  const MemoryCall call{"remove", key, 0, 0};
  const auto fault = enter(call, stop);
  {
    const std::lock_guard lock(mutex_);
    objects_.erase(key);
  }
  leave(call, fault);
}

std::vector<UnfinishedUpload> MemoryStore::unfinished(const std::string& prefix,
                                                      const std::stop_token& stop) {
  const MemoryCall call{"unfinished", prefix, 0, 0};
  const auto fault = enter(call, stop);
  std::vector<UnfinishedUpload> out;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, pending] : pending_)
      if (options_.uploads_by_key ? pending.spec.key == prefix
                                  : pending.spec.key.starts_with(prefix))
        out.push_back({pending.spec.key, id});
  }
  leave(call, fault);
  return out;
}

void MemoryStore::abandon(const UnfinishedUpload& upload, const std::stop_token& stop) {
  const MemoryCall call{"abandon", upload.key, 0, 0};
  const auto fault = enter(call, stop);
  {
    const std::lock_guard lock(mutex_);
    pending_.erase(upload.id);
  }
  leave(call, fault);
}

std::string MemoryStore::serving_uri(const std::string& key) const {
  return options_.uri + "/" + key + (key.ends_with('/') ? "" : "/");
}

}  // namespace dray::test
