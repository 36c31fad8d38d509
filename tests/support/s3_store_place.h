// S3 stores for tests: on a service in memory, or on the real one that the environment names.
#pragma once

#include <memory>
#include <string>

#include "dray/store/s3_store.h"
#include "tests/support/fake_s3.h"
#include "tests/support/store_suite.h"

namespace dray::test {

/// How to reach a bucket of the service, path style, signed, without waiting between tries; parts
/// of 8 MiB.
S3StoreOptions fake_store_options(const FakeS3& service, const std::string& bucket);
/// A service that honours nothing: no conditions, no checksums, opaque ETags.
FakeS3Options careless_s3();

/// A place below a random prefix of a bucket; what it holds is removed at the end.
std::unique_ptr<StorePlace> s3_place(S3StoreOptions options);
/// A place on a service of its own.
std::unique_ptr<StorePlace> fake_s3_place(FakeS3Options options);
/// A place on DRAY_TEST_S3_ENDPOINT, bucket DRAY_TEST_S3_BUCKET, credentials as usual; nullptr
/// where these are not set.
std::unique_ptr<StorePlace> real_s3_place();

}  // namespace dray::test
