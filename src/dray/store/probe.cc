#include "dray/store/probe.h"

#include <utility>

#include "dray/base/digest.h"
#include "dray/http/headers.h"
#include "dray/store/dir_files.h"
#include "dray/store/multipart_etag.h"
#include "dray/store/probe_objects.h"

namespace dray {

namespace {

using s3::ChecksumKind;

constexpr std::string_view kContent = "dray finds out what this endpoint honours\n";

class Probe {
 public:
  Probe(s3::Client& client, std::string prefix, const http::RetryPolicy& policy,
        const std::stop_token& stop)
      : client_(client), policy_(policy), stop_(stop), objects_(client, std::move(prefix), stop) {}

  S3Capabilities run() {
    ask();
    objects_.clean_up();
    return found_;
  }

 private:
  s3::Checksum right(ChecksumKind kind) const { return s3::checksum_of(kind, as_bytes(kContent)); }
  s3::Checksum wrong(ChecksumKind kind) const {
    s3::Checksum out = right(kind);
    out.value ^= 1;
    return out;
  }

  s3::PutOptions plain() const {
    s3::PutOptions out;
    if (const auto kind = found_.object_checksum()) out.checksum = right(*kind);
    out.content_md5 = found_.needs_md5;
    return out;
  }

  void put(const std::string& key, const s3::PutOptions& options) {
    client_.put_object(key, as_bytes(kContent), options, stop_);
  }

  template <typename Call>
  bool refused(int status, Call call) {
    return refused_with(status, policy_, stop_, std::move(call));
  }

  /// Whether the endpoint can stand what the call sends.
  template <typename Call>
  bool accepted(Call call) {
    try {
      with_retry(policy_, stop_, std::move(call));
      return true;
    } catch (const Error& e) {
      if (e.http_status() < 400 || e.retryable() || e.code() == Code::auth) throw;
      return false;
    }
  }
  static bool about_headers(const Error& e) {
    return e.http_status() == 400 || e.http_status() == 501;
  }

  /// The first write decides which headers the endpoint can stand.
  void write_something() {
    const std::string first = objects_.key("object");
    S3Capabilities tried[4];
    tried[0].crc64.taken = true;
    tried[1].crc64.taken = tried[1].needs_md5 = true;
    tried[3].needs_md5 = true;
    for (int i = 0;; ++i) {
      found_ = tried[i];
      try {
        with_retry(policy_, stop_, [&] { put(first, plain()); });
        return;
      } catch (const Error& e) {
        if (!about_headers(e) || i == 3) throw;
      }
    }
  }

  void ask() {
    write_something();
    ask_checksum(ChecksumKind::crc64nvme);
    // The second choice matters only where the first one is no help.
    if (!found_.crc64.parts) ask_checksum(ChecksumKind::crc32c);
    found_.checks_md5 = refused(400, [&] {
      auto other = plain();
      other.content_md5 = false;
      other.headers.emplace_back("content-md5", to_base64(md5(as_bytes("something else"))));
      put(objects_.key("md5"), other);
    });
    found_.put_if_absent = refused(412, [&] {
      auto condition = plain();
      condition.if_none_match = true;
      put(objects_.key("object"), condition);
    });
    ask_uploads();
  }

  void ask_checksum(ChecksumKind kind) {
    ChecksumSupport& support = found_.of(kind);
    const auto with = [&](const s3::Checksum& checksum) {
      s3::PutOptions out;
      out.content_md5 = found_.needs_md5;
      out.checksum = checksum;
      return out;
    };
    if (kind != ChecksumKind::crc64nvme)  // the first write has told of that one
      support.taken = accepted([&] { put(objects_.key("object"), with(right(kind))); });
    if (!support.taken) return;
    support.objects = refused(400, [&] { put(objects_.key("wrong"), with(wrong(kind))); });
    if (support.objects) ask_checksum_of_uploads(kind, support);
  }

  /// Amazon knows no composite CRC64NVME; older services know only composite CRC32C, and may take
  /// the type that they do not know for that one.
  void ask_checksum_of_uploads(ChecksumKind kind, ChecksumSupport& support) {
    for (const bool composite : {false, true}) {
      if (composite && kind == ChecksumKind::crc64nvme) return;
      UploadedPart upload;
      if (!accepted([&] { upload = begin("whole", kind, composite); })) continue;
      const bool checks = refused(400, [&] {
        s3::PartOptions options;
        options.checksum = wrong(kind);
        options.content_md5 = found_.needs_md5;
        client_.upload_part(upload.key, upload.id, 1, as_bytes(kContent), options, stop_);
      });
      s3::CompleteOptions complete = completing(kind, composite);
      if (!composite) complete.checksum = wrong(kind);
      const bool whole = checks && !composite && refused(400, [&] { finish(upload, complete); });
      // Done with the wrong value: there is nothing left to be completed.
      if (checks && !composite && !whole) upload = begin("whole", kind, composite);
      s3::PutResult made;
      complete = completing(kind, composite);
      if (checks && accepted([&] { made = finish(upload, complete); }) &&
          (!composite || made.composite == s3::composite_checksum({right(kind)}))) {
        support.parts = true;
        support.composite = composite;
        support.whole = whole;
        return;
      }
      client_.abort_upload(upload.key, upload.id, stop_);
    }
  }

  s3::CompleteOptions completing(std::optional<ChecksumKind> kind, bool composite) const {
    s3::CompleteOptions out;
    out.name_checksums = kind.has_value();
    if (kind && !composite) out.checksum = right(*kind);
    return out;
  }
  s3::PutResult finish(const UploadedPart& upload, const s3::CompleteOptions& options) {
    return client_.complete_upload(upload.key, upload.id, {upload.part}, options, stop_);
  }

  void ask_uploads() {
    const auto kind = found_.part_checksum();
    const bool composite = kind && found_.of(*kind).composite;
    s3::CompleteOptions complete = completing(kind, composite);
    const auto made = begin("made", kind, composite);
    std::string etag = with_retry(policy_, stop_, [&] { return finish(made, complete); }).etag;
    if (etag.empty())
      if (const auto there = client_.head_object(made.key, stop_)) etag = there->etag;
    const std::string expected = to_hex(md5(as_bytes(kContent)));
    found_.md5_etags = http::bare_etag(made.part.etag) == expected &&
                       multipart_etag({made.part.etag}) == http::bare_etag(etag);

    const auto again = begin("made", kind, composite);
    complete.if_none_match = true;
    found_.complete_if_absent = refused(412, [&] { finish(again, complete); });
    client_.abort_upload(again.key, again.id, stop_);
  }

  UploadedPart begin(std::string_view what, std::optional<ChecksumKind> kind, bool composite) {
    UploadedPart out;
    out.key = objects_.key(what);
    s3::CreateOptions create;
    create.checksum = kind;
    create.composite = composite;
    out.id = objects_.begin(out.key, create);
    s3::PartOptions part;
    if (kind) part.checksum = right(*kind);
    part.content_md5 = found_.needs_md5;
    try {
      out.part = with_retry(policy_, stop_, [&] {
        return client_.upload_part(out.key, out.id, 1, as_bytes(kContent), part, stop_);
      });
    } catch (const Error&) {
      client_.abort_upload(out.key, out.id, stop_);
      throw;
    }
    if (kind) out.part.checksum = part.checksum;
    return out;
  }

  s3::Client& client_;
  const http::RetryPolicy& policy_;
  const std::stop_token& stop_;
  ProbeObjects objects_;
  S3Capabilities found_;
};

}  // namespace

const ChecksumSupport& S3Capabilities::of(ChecksumKind kind) const {
  return kind == ChecksumKind::crc64nvme ? crc64 : crc32c;
}
ChecksumSupport& S3Capabilities::of(ChecksumKind kind) {
  return kind == ChecksumKind::crc64nvme ? crc64 : crc32c;
}

std::optional<ChecksumKind> S3Capabilities::object_checksum() const {
  for (const ChecksumKind kind : s3::kChecksumKinds)
    if (of(kind).objects) return kind;
  for (const ChecksumKind kind : s3::kChecksumKinds)
    if (of(kind).taken) return kind;
  return std::nullopt;
}

bool S3Capabilities::checks_objects() const { return crc64.objects || crc32c.objects; }

std::optional<ChecksumKind> S3Capabilities::part_checksum() const {
  for (const ChecksumKind kind : s3::kChecksumKinds)
    if (of(kind).parts) return kind;
  return std::nullopt;
}

S3Capabilities probe_endpoint(s3::Client& client, const std::string& prefix,
                              const http::RetryPolicy& policy, const std::stop_token& stop) {
  return Probe(client, prefix + dir::random_id() + "-", policy, stop).run();
}

}  // namespace dray
