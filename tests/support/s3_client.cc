#include "tests/support/s3_client.h"

#include <utility>

namespace dray::test {

s3::ClientOptions s3_options(const FakeS3& fake, const std::string& bucket) {
  const FakeS3Options keys = fake.options();
  s3::Settings settings;
  settings.endpoint = fake.url();
  settings.region = keys.region.empty() ? "us-east-1" : keys.region;
  settings.access_key_id = keys.access_key;
  settings.secret_access_key = Secret(keys.secret_key);
  settings.session_token = Secret(keys.session_token);
  s3::ClientOptions out =
      s3::client_options(settings, bucket, [](const char*) { return std::nullopt; });
  out.retry.sleep = [](std::stop_token stop, std::chrono::milliseconds) {
    return !stop.stop_requested();
  };
  out.retry.tries = 4;
  return out;
}

}  // namespace dray::test
