// An S3 store on a service in memory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <stop_token>
#include <string>
#include <utility>

#include "dray/base/digest.h"
#include "dray/store/s3_store.h"
#include "tests/support/random.h"
#include "tests/support/s3_store_place.h"
#include "tests/support/store_objects.h"

namespace dray::test {

inline const std::stop_token kGo;
inline constexpr const char* kBucket = "bucket";

class S3StoreTest : public testing::Test {
 protected:
  void serve(FakeS3Options options = {}) {
    service_ = std::make_unique<FakeS3>(std::move(options));
    service_->make_bucket(kBucket);
    with_ = fake_store_options(*service_, kBucket);
    with_.prefix = "team";
    open();
  }
  void open() {
    store_ = std::make_unique<S3Store>(with_);
    store_->capabilities(kGo);
  }

  StoredObject create(const std::string& key, const Buffer& bytes) {
    return store_->create(spec_of(key, bytes), bytes, Sha256::hex_of(bytes), kGo);
  }
  std::string stored(const std::string& key) const {
    const auto object = service_->object(kBucket, "team/" + key);
    return object ? object->content : "";
  }
  /// Header of the last request of this kind.
  std::string header(const std::string& method, const std::string& part_of_target,
                     const std::string& name) const {
    std::string out;
    for (const auto& request : service_->server().requests())
      if (request.method == method && request.target.find(part_of_target) != std::string::npos)
        out = request.header(name);
    return out;
  }
  std::unique_ptr<FakeS3> service_;
  S3StoreOptions with_;
  std::unique_ptr<S3Store> store_;
  const Buffer bytes_ = pattern(static_cast<std::size_t>(8 * kMiB + 1000), 1);
  const std::string sha256_ = Sha256::hex_of(bytes_);
};

}  // namespace dray::test
