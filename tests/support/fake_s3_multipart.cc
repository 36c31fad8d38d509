// Multipart uploads of FakeS3.
#include <algorithm>
#include <cstdlib>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "tests/support/fake_s3_checksums.h"

namespace dray::test {

namespace {

struct NamedPart {
  int number = 0;
  std::string etag;
  FakeChecksum checksum;
};

std::string first(const std::vector<std::string>& texts) {
  return texts.empty() ? "" : texts.front();
}

std::vector<NamedPart> read_parts(const std::string& xml) {
  std::vector<NamedPart> out;
  for (const std::string& part : fake_elements(xml, "Part"))
    out.push_back({std::atoi(first(fake_elements(part, "PartNumber")).c_str()),
                   first(fake_elements(part, "ETag")), named_checksum(part)});
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
    const FakeChecksum& checksum = named[i].checksum;
    if (call.options.checksums && !checksum.name.empty() &&
        (checksum.name != upload.declared.name || checksum.value != found->second.checksum.value))
      return FakeS3::error(400, "InvalidPart", "the part has another checksum");
    if (upload.declared.type == "COMPOSITE" && checksum.name.empty())
      return FakeS3::error(400, "InvalidRequest", "a part is named without its checksum");
    if (i + 1 < named.size() && found->second.content.size() < call.options.min_part_size)
      return FakeS3::error(400, "EntityTooSmall");
  }
  if (call.options.needs_every_part && named.size() != upload.parts.size())
    return FakeS3::error(400, "InvalidPart", "parts are missing from the list");
  return std::nullopt;
}

/// The bytes of UploadPartCopy; Amazon copies ranges only of objects that could be parts
/// themselves.
std::optional<RawResponse> copied_range(const S3Call& call, const std::string& whole,
                                        std::string& out) {
  const std::string range = call.header("x-amz-copy-source-range");
  std::uint64_t from = 0, to = whole.size() - 1;
  if (!range.empty()) {
    const std::size_t dash = range.find('-');
    from = std::strtoull(range.c_str() + 6, nullptr, 10);
    to = std::strtoull(range.c_str() + dash + 1, nullptr, 10);
    if (!range.starts_with("bytes=") || dash == std::string::npos || from > to ||
        to >= whole.size())
      return FakeS3::error(400, "InvalidArgument", "the range is beyond the source");
    if (whole.size() < call.options.min_part_size)
      return FakeS3::error(400, "InvalidRequest", "the source is too small for ranges");
  }
  if (to - from + 1 > call.options.max_copy)
    return FakeS3::error(400, "InvalidRequest", "the range is too large");
  out = whole.substr(from, to - from + 1);
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
  if (auto refusal = read_declared(call, upload.declared)) return *refusal;
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
    if (!call.options.copies_ranges) return FakeS3::error(501, "NotImplemented");
    const auto source = copy_source(call);
    if (const auto* refusal = std::get_if<RawResponse>(&source)) return *refusal;
    const std::string& whole = std::get<const FakeObject*>(source)->content;
    if (auto refusal = copied_range(call, whole, part.content)) return *refusal;
    part.etag = new_etag(call.options.md5_part_etags && call.options.md5_copy_etags, part.content);
    part.checksum = stored_checksum(call, upload->declared.name,
                                    call.options.right_copy_checksums ? part.content : whole);
  } else {
    const FakeChecksum sent = sent_checksum(call);
    if (!sent.name.empty() && sent.name != upload->declared.name)
      return FakeS3::error(400, "InvalidRequest", "Checksum Type mismatch occurred");
    if (sent.name.empty() && upload->declared.type == "COMPOSITE")
      return FakeS3::error(400, "InvalidRequest", "the part has no checksum");
    part.content = call.body();
    part.etag = new_etag(call.options.md5_part_etags, part.content);
    part.checksum = stored_checksum(call, upload->declared.name, part.content);
  }
  part.modified = call.now;
  RawResponse response;
  if (copy) {
    const std::string answer = fake_tag("LastModified", fake_time(call.now)) +
                               fake_tag("ETag", fake_escape(part.etag)) +
                               checksum_tag(part.checksum);
    response = fake_xml("CopyPartResult", answer, call.options.keep_alive);
  } else {
    response.headers.emplace_back("ETag", part.etag);
    add_header(part.checksum, response);
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
    part += checksum_tag(it->second.checksum);
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
  std::vector<FakeChecksum> checksums;
  for (const NamedPart& part : named) {
    const std::string& content = upload->parts.at(part.number).content;
    checksums.push_back(upload->parts.at(part.number).checksum);
    object.content += content;
    digests += as_text(md5(as_bytes(content)));
  }
  object.etag = "\"" + to_hex(md5(as_bytes(digests))) + "-" + std::to_string(named.size()) + "\"";
  object.content_type = upload->content_type;
  object.metadata = upload->metadata;
  object.headers = upload->headers;
  object.modified = call.now;
  object.checksum = upload->declared.type == "COMPOSITE"
                        ? composite_of(checksums)
                        : stored_checksum(call, upload->declared.name, object.content);
  if (auto refusal = check_whole(call, upload->declared, object)) return *refusal;

  std::string answer = fake_tag("Location", "http://fake/") + fake_tag("Bucket", call.bucket) +
                       fake_tag("Key", fake_escape(call.key)) +
                       fake_tag("ETag", call.options.complete_etag ? fake_escape(object.etag) : "");
  if (!object.checksum.name.empty())
    answer += checksum_tag(object.checksum) + fake_tag("ChecksumType", object.checksum.type);
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
