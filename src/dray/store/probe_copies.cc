// How ranges of objects are copied. On servers seen so far the condition on the source was ignored,
// or checksums of the copied bytes were wrong, so that the whole was refused.
#include "dray/store/dir_files.h"
#include "dray/store/probe_objects.h"

namespace dray {

namespace {

class CopyProbe {
 public:
  CopyProbe(s3::Client& client, std::string prefix, std::string source, std::string etag,
            const http::RetryPolicy& policy, const std::stop_token& stop)
      : client_(client),
        source_(std::move(source)),
        etag_(std::move(etag)),
        policy_(policy),
        stop_(stop),
        objects_(client, std::move(prefix), stop) {}

  RangeCopySupport run(const S3Capabilities& can) {
    read(source_, etag_, expected_);
    RangeCopySupport out;
    out.asked = true;
    // Of copied bytes a caller knows the CRC64 and no other checksum.
    if (can.part_checksum() == s3::ChecksumKind::crc64nvme)
      out.works = out.checksums = comes_out_right(true);
    if (!out.works) out.works = comes_out_right(false);
    if (out.works) out.if_match = is_pinned();
    objects_.clean_up();
    return out;
  }

 private:
  void read(const std::string& key, const std::string& etag, MutableBytes out) {
    with_retry(policy_, stop_, [&] { client_.get_range(key, etag, 0, out, stop_); });
  }

  s3::PartInfo copy(const std::string& key, const std::string& id, const std::string& etag) {
    return client_.upload_part_copy(
        key, id, 1,
        {.source_key = source_, .source_etag = etag, .range = ByteRange{0, kProbedRange}}, stop_);
  }

  /// Copies, completes and reads back.
  bool comes_out_right(bool checksums) {
    const s3::Checksum right = s3::checksum_of(s3::ChecksumKind::crc64nvme, expected_);
    const std::string key = objects_.key(checksums ? "checked" : "copied");
    s3::CreateOptions create;
    s3::CompleteOptions complete;
    if (checksums) {
      create.checksum = right.kind;
      complete.checksum = right;
    }
    const std::string id = objects_.begin(key, create);
    try {
      auto part = with_retry(policy_, stop_, [&] { return copy(key, id, etag_); });
      if (!checksums || part.checksum == right) {
        part.checksum = right;
        with_retry(policy_, stop_,
                   [&] { return client_.complete_upload(key, id, {part}, complete, stop_); });
        Buffer got(expected_.size());
        read(key, "", got);
        return got == expected_;
      }
    } catch (const Error& e) {
      // About the source, or nothing that says how the endpoint copies.
      const bool about_source = e.code() == Code::precondition || e.server_code() == "NoSuchKey";
      if (e.http_status() < 400 || e.retryable() || e.code() == Code::auth || about_source) throw;
    }
    client_.abort_upload(key, id, stop_);
    return false;
  }

  bool is_pinned() {
    const std::string key = objects_.key("pinned");
    const std::string id = objects_.begin(key, {});
    const bool out = refused_with(412, policy_, stop_,
                                  [&] { copy(key, id, "\"00000000000000000000000000000000\""); });
    client_.abort_upload(key, id, stop_);
    return out;
  }

  s3::Client& client_;
  const std::string source_, etag_;
  const http::RetryPolicy& policy_;
  const std::stop_token& stop_;
  ProbeObjects objects_;
  Buffer expected_ = Buffer(static_cast<std::size_t>(kProbedRange));
};

}  // namespace

RangeCopySupport probe_range_copies(s3::Client& client, const std::string& prefix,
                                    const S3Capabilities& can, const std::string& source,
                                    const std::string& etag, const http::RetryPolicy& policy,
                                    const std::stop_token& stop) {
  return CopyProbe(client, prefix + dir::random_id() + "-", source, etag, policy, stop).run(can);
}

}  // namespace dray
