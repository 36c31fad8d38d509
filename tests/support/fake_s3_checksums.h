// Checksums of FakeS3, as x-amz-checksum-* and in XML.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/fake_s3_state.h"

namespace dray::test {

/// Of the kinds that the service knows: the one whose header the request carries; no name if none.
FakeChecksum sent_checksum(const S3Call& call);
/// What the service stores of content that came with `wanted` (or without one).
FakeChecksum stored_checksum(const S3Call& call, std::string_view wanted, std::string_view content);
/// A checksum of the parts' checksums.
FakeChecksum composite_of(const std::vector<FakeChecksum>& parts);

void add_header(const FakeChecksum& checksum, RawResponse& response);
std::string checksum_tag(const FakeChecksum& checksum);
/// The checksum named in a <Part>.
FakeChecksum named_checksum(const std::string& part);

/// Refuses a body whose Content-MD5 or checksum headers are wrong, or, under Object Lock, missing.
std::optional<RawResponse> check_body(const S3Call& call);
/// What an upload is begun with, into `declared`; refuses what S3 refuses.
std::optional<RawResponse> read_declared(const S3Call& call, FakeChecksum& declared);
/// The whole-object value and size that Complete announces.
std::optional<RawResponse> check_whole(const S3Call& call, const FakeChecksum& declared,
                                       const FakeObject& object);

}  // namespace dray::test
