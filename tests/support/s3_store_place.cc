#include "tests/support/s3_store_place.h"

#include <utility>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/http/url.h"
#include "dray/store/dir_files.h"

namespace dray::test {
namespace {

http::RetryPolicy quick_retry() {
  http::RetryPolicy out;
  out.sleep = [](const std::stop_token& stop, std::chrono::milliseconds) {
    return !stop.stop_requested();
  };
  return out;
}

class BucketPlace : public StorePlace {
 public:
  explicit BucketPlace(S3StoreOptions options, std::unique_ptr<FakeS3> service = nullptr)
      : service_(std::move(service)), options_(std::move(options)), client_(options_.client) {
    options_.prefix = "dray-test/" + dir::random_id();
    // So that an object of more than a part is copied by ranges.
    options_.max_single_copy = options_.min_part_size;
    options_.copy_range = 5 * kMiB;
  }
  ~BucketPlace() override {
    try {
      const std::string prefix = options_.prefix + "/";
      for (const auto& upload : client_.list_uploads(prefix))
        client_.abort_upload(upload.key, upload.id);
      for (const auto& object : client_.list({.prefix = prefix}).objects)
        client_.delete_object(object.key);
    } catch (const Error&) {  // a service that was told to fail keeps what it has
    }
  }

  std::unique_ptr<Store> open() override { return std::make_unique<S3Store>(options_); }
  void plant(const std::string& key, const std::string& content) override {
    client_.put_object(options_.prefix + "/" + key, as_bytes(content));
  }
  bool spoil_part(const std::string& key, const std::string& id, const PutPart& part) override {
    const Buffer zeros(static_cast<std::size_t>(part.size));
    s3::PartOptions options;
    const auto held = client_.list_parts(options_.prefix + "/" + key, id);
    for (const auto& one : held.value())  // some uploads want the checksum that they began with
      if (one.checksum) options.checksum = s3::checksum_of(one.checksum->kind, zeros);
    client_.upload_part(options_.prefix + "/" + key, id, static_cast<int>(part.index) + 1, zeros,
                        options);
    return true;
  }

 private:
  std::unique_ptr<FakeS3> service_;
  S3StoreOptions options_;
  s3::Client client_;
};

}  // namespace

S3StoreOptions fake_store_options(const FakeS3& service, const std::string& bucket) {
  const FakeS3Options defaults;
  S3StoreOptions out;
  out.client.endpoint.url = http::parse_url(service.url());
  out.client.endpoint.url.path.clear();  // a prefix of all requests, and there is none
  out.client.endpoint.addressing = s3::Addressing::path;
  out.client.bucket = bucket;
  out.client.credentials = std::make_shared<s3::CredentialsProvider>(
      std::vector<s3::CredentialSource>{s3::static_credentials(
          defaults.access_key, Secret(defaults.secret_key), Secret(), "test")});
  out.client.retry = quick_retry();
  out.min_part_size = 8 * kMiB;
  return out;
}

FakeS3Options careless_s3() {
  FakeS3Options out;
  out.put_conditions = out.complete_conditions = out.copy_conditions = false;
  out.checksums = out.content_md5 = out.md5_part_etags = out.complete_again = false;
  out.needs_every_part = true;
  return out;
}

std::unique_ptr<StorePlace> s3_place(S3StoreOptions options) {
  return std::make_unique<BucketPlace>(std::move(options));
}

std::unique_ptr<StorePlace> fake_s3_place(FakeS3Options options) {
  auto service = std::make_unique<FakeS3>(std::move(options));
  service->make_bucket("bucket");
  auto with = fake_store_options(*service, "bucket");
  return std::make_unique<BucketPlace>(std::move(with), std::move(service));
}

std::unique_ptr<StorePlace> real_s3_place() {
  const auto endpoint = env("DRAY_TEST_S3_ENDPOINT"), bucket = env("DRAY_TEST_S3_BUCKET");
  if (!endpoint || !bucket) return nullptr;
  s3::Settings settings;
  settings.endpoint = *endpoint;
  S3StoreOptions out;
  out.client.endpoint = s3::resolve_endpoint(settings, process_environment());
  out.client.bucket = *bucket;
  out.client.credentials = s3::find_credentials({.settings = settings});
  out.min_part_size = 8 * kMiB;
  return std::make_unique<BucketPlace>(std::move(out));
}

}  // namespace dray::test
