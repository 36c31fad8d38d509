// An S3 client and a service in memory that can fail.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "dray/s3/client.h"
#include "tests/support/fake_s3.h"
#include "tests/support/s3_client.h"

namespace dray::s3 {

inline constexpr ChecksumKind kCrc64 = ChecksumKind::crc64nvme;

class S3Faults : public ::testing::Test {
 protected:
  static test::FakeS3Options options() {
    test::FakeS3Options out;
    out.min_part_size = 1;
    return out;
  }
  void SetUp() override {
    fake_.make_bucket("models");
    fake_.put("models", "there", "content");
  }

  /// What `work` throws.
  template <typename Work>
  static Error error_of(Work work) {
    try {
      work();
    } catch (const Error& e) {
      return e;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(Code::internal, "nothing was thrown");
  }

  /// An upload with one part, ready to be completed.
  std::vector<PartInfo> one_part(std::string& id, const std::string& key = "new") {
    id = client_.create_upload(key, {.checksum = kCrc64});
    return {client_.upload_part(key, id, 1, as_bytes("part"))};
  }

  /// Rewrites the answers of one operation.
  void rewrite(const std::string& op, std::function<void(test::RawResponse&)> change) {
    fake_.after(
        [op, change](const test::RawRequest&, const std::string& which, int, test::RawResponse& r) {
          if (which == op) change(r);
        });
  }

  test::FakeS3 fake_{options()};
  Client client_{test::s3_options(fake_, "models")};
};

}  // namespace dray::s3
