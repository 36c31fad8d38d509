#include "dray/store/probe.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/log.h"
#include "dray/http/headers.h"
#include "dray/store/dir_files.h"
#include "dray/store/multipart_etag.h"

namespace dray {

namespace {

constexpr std::string_view kContent = "dray finds out what this endpoint honours\n";

/// Whether the call was answered with this status. Done is no; failures that say nothing about the
/// question are thrown.
template <typename Call>
bool refused_with(int status, const http::RetryPolicy& policy, const std::stop_token& stop,
                  Call call) {
  return with_retry(policy, stop, [&] {
    try {
      call();
      return false;
    } catch (const Error& e) {
      if (e.http_status() == status) return true;
      // Another refusal (501 for a header it does not know) is not what was asked for either.
      if (e.http_status() >= 400 && !e.retryable() && e.code() != Code::auth) return false;
      throw;
    }
  });
}

class Probe {
 public:
  Probe(s3::Client& client, std::string prefix, const http::RetryPolicy& policy,
        const std::stop_token& stop)
      : client_(client), prefix_(std::move(prefix)), policy_(policy), stop_(stop) {}

  S3Capabilities run() {
    try {
      ask();
    } catch (...) {
      clean_up_quietly();
      throw;
    }
    clean_up();
    return found_;
  }

 private:
  std::string key(std::string_view what) {
    keys_.push_back(prefix_ + std::string(what));
    return keys_.back();
  }

  s3::PutOptions plain() const {
    s3::PutOptions out;
    if (found_.takes_crc64) out.crc64 = crc64nvme(0, as_bytes(kContent));
    out.content_md5 = found_.needs_md5;
    return out;
  }

  s3::PutResult put(const std::string& key, const s3::PutOptions& options) {
    return with_retry(policy_, stop_,
                      [&] { return client_.put_object(key, as_bytes(kContent), options, stop_); });
  }

  /// The first write decides which headers the endpoint can stand.
  void write_something() {
    const std::string first = key("object");
    S3Capabilities tried[4];
    tried[0].takes_crc64 = true;
    tried[1].takes_crc64 = tried[1].needs_md5 = true;
    tried[3].needs_md5 = true;
    for (int i = 0;; ++i) {
      found_ = tried[i];
      try {
        put(first, plain());
        return;
      } catch (const Error& e) {
        const bool about_headers = e.http_status() == 400 || e.http_status() == 501;
        if (!about_headers || i == 3) throw;
      }
    }
  }

  void ask() {
    write_something();
    if (found_.takes_crc64)
      found_.checks_crc64 = refused_with(400, policy_, stop_, [&] {
        auto wrong = plain();
        *wrong.crc64 ^= 1;
        client_.put_object(key("crc64"), as_bytes(kContent), wrong, stop_);
      });
    found_.checks_md5 = refused_with(400, policy_, stop_, [&] {
      auto wrong = plain();
      wrong.content_md5 = false;
      wrong.headers.emplace_back("content-md5", to_base64(md5(as_bytes("something else"))));
      client_.put_object(key("md5"), as_bytes(kContent), wrong, stop_);
    });
    found_.put_if_absent = refused_with(412, policy_, stop_, [&] {
      auto condition = plain();
      condition.if_none_match = true;
      client_.put_object(prefix_ + "object", as_bytes(kContent), condition, stop_);
    });
    ask_uploads();
  }

  void ask_uploads() {
    if (found_.checks_crc64) ask_checksums_of_uploads();
    const auto made = begin("made", found_.checks_part_crc64);
    s3::CompleteOptions plain_complete;
    if (found_.checks_part_crc64) plain_complete.crc64 = crc64nvme(0, as_bytes(kContent));
    const auto result = with_retry(policy_, stop_, [&] {
      return client_.complete_upload(made.key, made.id, {made.part}, plain_complete, stop_);
    });
    const std::string expected = to_hex(md5(as_bytes(kContent)));
    found_.md5_etags = http::bare_etag(made.part.etag) == expected &&
                       multipart_etag({made.part.etag}) == http::bare_etag(result.etag);

    const auto again = begin("made", found_.checks_part_crc64);
    s3::CompleteOptions condition = plain_complete;
    condition.if_none_match = true;
    found_.complete_if_absent = refused_with(412, policy_, stop_, [&] {
      client_.complete_upload(again.key, again.id, {again.part}, condition, stop_);
    });
    client_.abort_upload(again.key, again.id, stop_);
  }

  void ask_checksums_of_uploads() {
    const std::uint64_t right = crc64nvme(0, as_bytes(kContent));
    Begun upload;
    try {
      upload = begin("whole", true);
    } catch (const Error& e) {
      if (e.http_status() != 400 && e.http_status() != 501) throw;
      return;  // knows the checksum of objects, not that of uploads
    }
    found_.checks_part_crc64 = refused_with(400, policy_, stop_, [&] {
      s3::PartOptions wrong;
      wrong.crc64 = right ^ 1;
      wrong.content_md5 = found_.needs_md5;
      client_.upload_part(upload.key, upload.id, 1, as_bytes(kContent), wrong, stop_);
    });
    if (found_.checks_part_crc64)
      found_.checks_whole_crc64 = refused_with(400, policy_, stop_, [&] {
        s3::CompleteOptions wrong;
        wrong.crc64 = right ^ 1;
        client_.complete_upload(upload.key, upload.id, {upload.part}, wrong, stop_);
      });
    client_.abort_upload(upload.key, upload.id, stop_);
  }

  struct Begun {
    std::string key, id;
    s3::PartInfo part;
  };
  Begun begin(std::string_view what, bool crc64) {
    Begun out;
    out.key = key(what);
    s3::CreateOptions create;
    create.crc64 = crc64;
    out.id = client_.create_upload(out.key, create, stop_);
    uploads_.emplace_back(out.key, out.id);
    s3::PartOptions part;
    if (crc64) part.crc64 = crc64nvme(0, as_bytes(kContent));
    part.content_md5 = found_.needs_md5;
    out.part = with_retry(policy_, stop_, [&] {
      return client_.upload_part(out.key, out.id, 1, as_bytes(kContent), part, stop_);
    });
    return out;
  }

  void clean_up() {
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    for (const auto& key : keys_) client_.delete_object(key, stop_);
  }

  void clean_up_quietly() noexcept {
    try {
      for (const auto& [key, id] : uploads_) client_.abort_upload(key, id, {});
      clean_up();
    } catch (...) {
      debug("could not remove probe objects at {}: {}", client_.uri(prefix_),
            current_error().what());
    }
  }

  s3::Client& client_;
  const std::string prefix_;
  const http::RetryPolicy& policy_;
  const std::stop_token& stop_;
  S3Capabilities found_;
  std::vector<std::string> keys_;
  std::vector<std::pair<std::string, std::string>> uploads_;
};

}  // namespace

S3Capabilities probe_endpoint(s3::Client& client, const std::string& prefix,
                              const http::RetryPolicy& policy, const std::stop_token& stop) {
  return Probe(client, prefix + dir::random_id() + "-", policy, stop).run();
}

}  // namespace dray
