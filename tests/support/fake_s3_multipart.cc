// Multipart uploads of FakeS3.
#include <algorithm>
#include <cstdlib>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "tests/support/fake_s3_state.h"

namespace dray::test {

namespace {

struct NamedPart {
  int number = 0;
  std::string etag, crc64;
};

std::string first(const std::vector<std::string>& texts) {
  return texts.empty() ? "" : texts.front();
}

std::vector<NamedPart> read_parts(const std::string& xml) {
  std::vector<NamedPart> out;
  for (const std::string& part : fake_elements(xml, "Part"))
    out.push_back({std::atoi(first(fake_elements(part, "PartNumber")).c_str()),
                   first(fake_elements(part, "ETag")),
                   first(fake_elements(part, "ChecksumCRC64NVME"))});
  return out;
}

/// Order, identity, sizes: what S3 checks before it makes the object.
std::optional<RawResponse> check_parts(const S3Call& call, const StoredUpload& upload,
                                       const std::vector<NamedPart>& named) {
  if (named.empty()) return FakeS3::error(400, "MalformedXML");
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (i > 0 && named[i].number <= named[i - 1].number)
      return FakeS3::error(400, "InvalidPartOrder");
    const auto found = upload.parts.find(named[i].number);
    if (found == upload.parts.end() || !same_etag(found->second.etag, named[i].etag))
      return FakeS3::error(400, "InvalidPart");
    if (!named[i].crc64.empty() && call.options.checksums && named[i].crc64 != found->second.crc64)
      return FakeS3::error(400, "InvalidPart", "the part has another checksum");
    if (i + 1 < named.size() && found->second.content.size() < call.options.min_part_size)
      return FakeS3::error(400, "EntityTooSmall");
  }
  if (call.options.needs_every_part && named.size() != upload.parts.size())
    return FakeS3::error(400, "InvalidPart", "parts are missing from the list");
  return std::nullopt;
}

std::optional<RawResponse> check_whole(const S3Call& call, const StoredUpload& upload,
                                       const FakeObject& object) {
  if (!call.options.checksums) return std::nullopt;
  const std::string size = call.header("x-amz-mp-object-size");
  if (!size.empty() && size != std::to_string(object.content.size()))
    return FakeS3::error(400, "InvalidRequest", "the object has another size");
  const std::string crc64 = call.header("x-amz-checksum-crc64nvme");
  if (crc64.empty()) return std::nullopt;
  const auto type = upload.headers.find("x-amz-checksum-type");
  if (type == upload.headers.end() || type->second != "FULL_OBJECT" ||
      call.header("x-amz-checksum-type") != "FULL_OBJECT")
    return FakeS3::error(400, "InvalidRequest", "the upload was not created with FULL_OBJECT");
  if (crc64 != object.crc64) return FakeS3::error(400, "BadDigest");
  return std::nullopt;
}

}  // namespace

StoredUpload* S3State::find_upload(const S3Call& call) {
  const auto found = uploads.find(call.arg("uploadId"));
  if (found == uploads.end() || found->second.key != call.key ||
      found->second.bucket != call.bucket)
    return nullptr;
  return &found->second;
}

RawResponse S3State::create_upload(const S3Call& call) {
  StoredUpload upload;
  if (auto refusal = read_attributes(call, upload.content_type, upload.metadata, upload.headers))
    return *refusal;
  upload.bucket = call.bucket;
  upload.key = call.key;
  const std::string number = std::to_string(next_id++);
  // Ids of real servers have characters that must be encoded in a query.
  upload.id = "id" + std::string(6 - std::min<std::size_t>(6, number.size()), '0') + number + "+/=";
  upload.initiated = call.now;
  const std::string id = upload.id;
  uploads[id] = std::move(upload);
  return fake_xml("InitiateMultipartUploadResult", fake_tag("Bucket", call.bucket) +
                                                       fake_tag("Key", fake_escape(call.key)) +
                                                       fake_tag("UploadId", id));
}

RawResponse S3State::upload_part(const S3Call& call) {
  StoredUpload* upload = find_upload(call);
  if (upload == nullptr) return FakeS3::error(404, "NoSuchUpload");
  const int number = std::atoi(call.arg("partNumber").c_str());
  if (number < 1 || number > 10000) return FakeS3::error(400, "InvalidArgument");
  StoredPart part;
  const bool copy = call.op == "UploadPartCopy";
  if (copy) {
    const auto source = copy_source(call);
    if (const auto* refusal = std::get_if<RawResponse>(&source)) return *refusal;
    part.content = std::get<const FakeObject*>(source)->content;
    if (const std::string range = call.header("x-amz-copy-source-range"); !range.empty()) {
      std::uint64_t from = 0, to = 0;
      const std::size_t dash = range.find('-');
      from = std::strtoull(range.c_str() + 6, nullptr, 10);
      to = std::strtoull(range.c_str() + dash + 1, nullptr, 10);
      if (!range.starts_with("bytes=") || dash == std::string::npos || from > to ||
          to >= part.content.size())
        return FakeS3::error(400, "InvalidArgument", "the range is beyond the source");
      part.content = part.content.substr(from, to - from + 1);
    }
  } else {
    part.content = call.body();
  }
  part.etag = new_etag(call, part.content);
  part.modified = call.now;
  if (call.options.checksums) part.crc64 = fake_crc64(part.content);
  RawResponse response;
  if (copy) {
    std::string answer =
        fake_tag("LastModified", fake_time(call.now)) + fake_tag("ETag", fake_escape(part.etag));
    if (!part.crc64.empty()) answer += fake_tag("ChecksumCRC64NVME", part.crc64);
    response = fake_xml("CopyPartResult", answer, call.options.keep_alive);
  } else {
    response.headers.emplace_back("ETag", part.etag);
    if (!part.crc64.empty()) response.headers.emplace_back("x-amz-checksum-crc64nvme", part.crc64);
  }
  upload->parts[number] = std::move(part);
  return response;
}

RawResponse S3State::list_parts(const S3Call& call) {
  const StoredUpload* upload = find_upload(call);
  if (upload == nullptr) return FakeS3::error(404, "NoSuchUpload");
  const int marker = std::atoi(call.arg("part-number-marker").c_str());
  std::string content;
  std::size_t count = 0;
  int last = marker;
  bool truncated = false;
  for (auto it = upload->parts.upper_bound(marker); it != upload->parts.end(); ++it) {
    if (count == call.options.page_size) {
      truncated = true;
      break;
    }
    ++count;
    last = it->first;
    std::string part = fake_tag("PartNumber", std::to_string(it->first)) +
                       fake_tag("LastModified", fake_time(it->second.modified)) +
                       fake_tag("ETag", fake_escape(it->second.etag)) +
                       fake_tag("Size", std::to_string(it->second.content.size()));
    if (!it->second.crc64.empty()) part += fake_tag("ChecksumCRC64NVME", it->second.crc64);
    content += fake_tag("Part", part);
  }
  std::string head = fake_tag("Bucket", call.bucket) + fake_tag("Key", fake_escape(call.key)) +
                     fake_tag("UploadId", upload->id) +
                     fake_tag("IsTruncated", truncated ? "true" : "false");
  if (truncated) head += fake_tag("NextPartNumberMarker", std::to_string(last));
  return fake_xml("ListPartsResult", head + content);
}

RawResponse S3State::complete_upload(const S3Call& call, Bucket& bucket) {
  StoredUpload* upload = find_upload(call);
  if (upload == nullptr) {
    const auto done = finished.find(call.arg("uploadId"));
    if (done != finished.end() && call.options.complete_again &&
        done->second.request_body == call.body())
      return fake_xml("CompleteMultipartUploadResult", done->second.answer,
                      call.options.keep_alive);
    return FakeS3::error(404, "NoSuchUpload");
  }
  const auto present = bucket.find(call.key);
  if (call.options.complete_conditions)
    if (auto refusal = check_conditions(call, present == bucket.end() ? nullptr : &present->second))
      return *refusal;
  const auto named = read_parts(call.body());
  if (auto refusal = check_parts(call, *upload, named)) return *refusal;

  FakeObject object;
  std::string digests;
  for (const NamedPart& part : named) {
    const std::string& content = upload->parts.at(part.number).content;
    object.content += content;
    digests += as_text(md5(as_bytes(content)));
  }
  object.etag = "\"" + to_hex(md5(as_bytes(digests))) + "-" + std::to_string(named.size()) + "\"";
  object.content_type = upload->content_type;
  object.metadata = upload->metadata;
  object.headers = upload->headers;
  object.modified = call.now;
  if (call.options.checksums) object.crc64 = fake_crc64(object.content);
  if (auto refusal = check_whole(call, *upload, object)) return *refusal;

  std::string answer = fake_tag("Location", "http://fake/") + fake_tag("Bucket", call.bucket) +
                       fake_tag("Key", fake_escape(call.key)) +
                       fake_tag("ETag", fake_escape(object.etag));
  if (!object.crc64.empty())
    answer += fake_tag("ChecksumCRC64NVME", object.crc64) + fake_tag("ChecksumType", "FULL_OBJECT");
  bucket[call.key] = std::move(object);
  finished[upload->id] = {call.body(), answer};
  uploads.erase(upload->id);
  return fake_xml("CompleteMultipartUploadResult", answer, call.options.keep_alive);
}

RawResponse S3State::abort_upload(const S3Call& call) {
  const StoredUpload* upload = find_upload(call);
  if (upload == nullptr) return FakeS3::error(404, "NoSuchUpload");
  uploads.erase(upload->id);
  return {.status = 204};
}

RawResponse S3State::list_uploads(const S3Call& call) {
  const std::string prefix = call.arg("prefix");
  const auto marker = std::make_pair(call.arg("key-marker"), call.arg("upload-id-marker"));
  std::vector<const StoredUpload*> sorted;
  for (const auto& [id, upload] : uploads)
    if (upload.bucket == call.bucket && upload.key.starts_with(prefix)) sorted.push_back(&upload);
  std::sort(sorted.begin(), sorted.end(), [](const StoredUpload* a, const StoredUpload* b) {
    return std::tie(a->key, a->id) < std::tie(b->key, b->id);
  });
  const bool encode = call.arg("encoding-type") == "url";
  std::string content;
  std::size_t count = 0;
  const StoredUpload* last = nullptr;
  bool truncated = false;
  for (const StoredUpload* upload : sorted) {
    if (std::make_pair(upload->key, upload->id) <= marker) continue;
    if (count == call.options.page_size) {
      truncated = true;
      break;
    }
    ++count;
    last = upload;
    content += fake_tag(
        "Upload", fake_tag("Key", encode ? fake_encode(upload->key) : fake_escape(upload->key)) +
                      fake_tag("UploadId", upload->id) +
                      fake_tag("Initiated", fake_time(upload->initiated)));
  }
  std::string head =
      fake_tag("Bucket", call.bucket) + fake_tag("IsTruncated", truncated ? "true" : "false");
  if (encode) head += fake_tag("EncodingType", "url");
  if (truncated && last != nullptr)
    head += fake_tag("NextKeyMarker", encode ? fake_encode(last->key) : fake_escape(last->key)) +
            fake_tag("NextUploadIdMarker", last->id);
  return fake_xml("ListMultipartUploadsResult", head + content);
}

}  // namespace dray::test
