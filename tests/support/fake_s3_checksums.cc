#include "tests/support/fake_s3_checksums.h"

#include "dray/base/bytes.h"
#include "dray/base/crc.h"
#include "dray/base/digest.h"

namespace dray::test {

namespace {

constexpr const char *kFull = "FULL_OBJECT", *kComposite = "COMPOSITE";

std::string header_of(const std::string& name) {
  return name == "CRC64NVME" ? "x-amz-checksum-crc64nvme" : "x-amz-checksum-crc32c";
}

std::string value_of(std::string_view name, std::string_view content) {
  if (name == "CRC64NVME") return crc64_header(crc64nvme(0, as_bytes(content)));
  return crc32_header(crc32c(0, as_bytes(content)));
}

std::vector<std::string> known(const FakeS3Options& options) {
  std::vector<std::string> out;
  if (options.checksums && options.crc64nvme) out.emplace_back("CRC64NVME");
  if (options.checksums && options.crc32c) out.emplace_back("CRC32C");
  return out;
}

}  // namespace

FakeChecksum sent_checksum(const S3Call& call) {
  for (const auto& name : known(call.options))
    if (const std::string value = call.header(header_of(name)); !value.empty())
      return {name, value, kFull};
  return {};
}

FakeChecksum stored_checksum(const S3Call& call, std::string_view wanted,
                             std::string_view content) {
  std::string name(wanted);
  if (name.empty() && call.options.checksums && call.options.crc64nvme) name = "CRC64NVME";
  if (name.empty()) return {};
  return {name, value_of(name, content), kFull};
}

FakeChecksum composite_of(const std::vector<FakeChecksum>& parts) {
  Buffer all;
  for (const auto& part : parts) {
    const auto bytes = from_base64(part.value);
    if (bytes) all.insert(all.end(), bytes->begin(), bytes->end());
  }
  const std::string name = parts.empty() ? "CRC32C" : parts.front().name;
  return {name, value_of(name, as_text(all)) + "-" + std::to_string(parts.size()), kComposite};
}

void add_header(const FakeChecksum& checksum, RawResponse& response) {
  if (checksum.name.empty()) return;
  response.headers.emplace_back(header_of(checksum.name), checksum.value);
}

std::string checksum_tag(const FakeChecksum& checksum) {
  return checksum.name.empty() ? "" : fake_tag("Checksum" + checksum.name, checksum.value);
}

FakeChecksum named_checksum(const std::string& part) {
  for (const char* name : {"CRC64NVME", "CRC32C"})
    if (const auto values = fake_elements(part, std::string("Checksum") + name); !values.empty())
      return {name, values.front(), kFull};
  return {};
}

std::optional<RawResponse> check_body(const S3Call& call) {
  const bool has_data = call.op == "PutObject" || call.op == "UploadPart";
  if (!has_data && call.op != "DeleteObjects") return std::nullopt;
  const std::string md5_header = call.header("content-md5");
  const FakeChecksum sent = sent_checksum(call);
  if (has_data && call.options.object_lock && md5_header.empty() && sent.name.empty())
    return FakeS3::error(400, "InvalidRequest",
                         "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object "
                         "requests with Object Lock parameters");
  if (call.options.content_md5 && !md5_header.empty()) {
    const auto given = from_base64(md5_header);
    if (!given || given->size() != 16) return FakeS3::error(400, "InvalidDigest");
    if (to_base64(md5(as_bytes(call.body()))) != md5_header) return FakeS3::error(400, "BadDigest");
  }
  if (!sent.name.empty() && sent.value != value_of(sent.name, call.body()))
    return FakeS3::error(400, "BadDigest");
  return std::nullopt;
}

std::optional<RawResponse> read_declared(const S3Call& call, FakeChecksum& declared) {
  const std::string name = call.header("x-amz-checksum-algorithm");
  std::string type = call.header("x-amz-checksum-type");
  if (!call.options.checksums || name.empty()) return std::nullopt;
  bool is_known = false;
  for (const auto& one : known(call.options)) is_known = is_known || one == name;
  if (!is_known)
    return FakeS3::error(400, "InvalidRequest", "Checksum algorithm provided is unsupported");
  if (name == "CRC64NVME" && type == kComposite)
    return FakeS3::error(400, "InvalidRequest", "there is no composite CRC64NVME");
  if (name == "CRC64NVME") type = kFull;
  if (type.empty() || (name == "CRC32C" && !call.options.full_object_crc32c)) type = kComposite;
  declared = {name, "", type};
  return std::nullopt;
}

std::optional<RawResponse> check_whole(const S3Call& call, const FakeChecksum& declared,
                                       const FakeObject& object) {
  if (!call.options.checksums) return std::nullopt;
  const std::string size = call.header("x-amz-mp-object-size");
  if (!size.empty() && size != std::to_string(object.content.size()))
    return FakeS3::error(400, "InvalidRequest", "the object has another size");
  const FakeChecksum sent = sent_checksum(call);
  if (sent.name.empty()) return std::nullopt;
  const std::string type = call.header("x-amz-checksum-type");
  const bool typed = call.options.full_object_crc32c || declared.name == "CRC64NVME";
  if (sent.name != declared.name || (typed && type != declared.type))
    return FakeS3::error(400, "InvalidRequest", "the upload was begun with another checksum");
  if (sent.value != object.checksum.value) return FakeS3::error(400, "BadDigest");
  return std::nullopt;
}

}  // namespace dray::test
