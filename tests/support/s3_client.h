// Clients of FakeS3.
#pragma once

#include <string>

#include "dray/s3/client.h"
#include "tests/support/fake_s3.h"

namespace dray::test {

/// Options for a client of `bucket` on `fake`, with the fake's own keys, path style, retries that
/// do not wait, and short stall limits.
s3::ClientOptions s3_options(const FakeS3& fake, const std::string& bucket);

}  // namespace dray::test
