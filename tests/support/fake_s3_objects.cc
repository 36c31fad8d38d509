// Buckets, objects, lists and copies of FakeS3.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/time.h"
#include "tests/support/fake_s3_checksums.h"

namespace dray::test {

namespace {

/// "bytes=a-b" of a Range or copy range; nullopt if it is none that can be met.
std::optional<std::pair<std::size_t, std::size_t>> read_range(const std::string& text,
                                                              std::size_t size) {
  if (!text.starts_with("bytes=")) return std::nullopt;
  const std::size_t dash = text.find('-');
  const std::size_t first = std::strtoull(text.c_str() + 6, nullptr, 10);
  if (dash == std::string::npos || first >= size) return std::nullopt;
  const std::string end = text.substr(dash + 1);
  const std::size_t last =
      end.empty() ? size - 1
                  : std::min<std::size_t>(std::strtoull(end.c_str(), nullptr, 10), size - 1);
  if (last < first) return std::nullopt;
  return std::make_pair(first, last - first + 1);
}

void describe(const S3Call& call, const FakeObject& object, RawResponse& response) {
  response.headers.emplace_back("ETag", object.etag);
  response.headers.emplace_back("Last-Modified", http_date(object.modified));
  response.headers.emplace_back("Content-Type", object.content_type);
  response.headers.emplace_back("Accept-Ranges", "bytes");
  for (const auto& [name, value] : object.metadata)
    response.headers.emplace_back("x-amz-meta-" + name, value);
  if (!object.checksum.name.empty() && call.header("x-amz-checksum-mode") == "ENABLED") {
    add_header(object.checksum, response);
    response.headers.emplace_back("x-amz-checksum-type", object.checksum.type);
  }
}

/// Lists write keys as AWS does under encoding-type=url: '/' kept, space as '+'.
std::string list_key(const S3Call& call, const std::string& key) {
  if (call.arg("encoding-type") != "url") return fake_escape(key);
  std::string out;
  for (const char c : key) out += c == '/' ? "/" : c == ' ' ? "+" : fake_encode(std::string(1, c));
  return out;
}

}  // namespace

std::string fake_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string fake_tag(std::string_view name, std::string_view value) {
  return "<" + std::string(name) + ">" + std::string(value) + "</" + std::string(name) + ">";
}

std::vector<std::string> fake_elements(std::string_view xml, const std::string& name) {
  std::vector<std::string> out;
  const std::string open = "<" + name + ">", close = "</" + name + ">";
  for (std::size_t at = xml.find(open); at != std::string_view::npos; at = xml.find(open, at)) {
    at += open.size();
    const std::size_t end = xml.find(close, at);
    if (end == std::string_view::npos) break;
    std::string text(xml.substr(at, end - at));
    for (const auto& [from, to] :
         {std::pair{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}})
      for (std::size_t i = 0; (i = text.find(from, i)) != std::string::npos; ++i)
        text.replace(i, std::string_view(from).size(), to);
    out.push_back(std::move(text));
  }
  return out;
}

std::string fake_time(std::int64_t time) {
  std::string text = rfc3339(time);
  text.insert(text.size() - 1, ".000");
  return text;
}

RawResponse fake_xml(std::string_view root, const std::string& content, std::string_view lead) {
  RawResponse response;
  response.headers.emplace_back("Content-Type", "application/xml");
  // With a lead of white space servers send the declaration first, as XML demands.
  response.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + std::string(lead) + "<" +
                  std::string(root) + " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
                  content + "</" + std::string(root) + ">";
  return response;
}

bool same_etag(std::string_view a, std::string_view b) {
  const auto bare = [](std::string_view text) {
    if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
    return text;
  };
  return bare(a) == bare(b);
}

std::optional<RawResponse> check_conditions(const S3Call& call, const FakeObject* present) {
  const std::string none = call.header("if-none-match"), match = call.header("if-match");
  if (!none.empty() && none != "*") return FakeS3::error(501, "NotImplemented");
  if (!none.empty() && present != nullptr) return FakeS3::error(412, "PreconditionFailed");
  if (match.empty()) return std::nullopt;
  if (present == nullptr) return FakeS3::error(404, "NoSuchKey");
  if (!same_etag(match, present->etag)) return FakeS3::error(412, "PreconditionFailed");
  return std::nullopt;
}

std::optional<RawResponse> read_attributes(const S3Call& call, std::string& content_type,
                                           std::map<std::string, std::string>& metadata,
                                           std::map<std::string, std::string>& headers) {
  content_type = call.header("content-type");
  if (content_type.empty()) content_type = "binary/octet-stream";
  std::size_t total = 0;
  for (const auto& [name, value] : call.request->headers) {
    if (name.starts_with("x-amz-meta-")) {
      for (const char c : value)
        if (c < 0x20 || c > 0x7e)
          return FakeS3::error(400, "InvalidArgument", "not ASCII: " + name);
      metadata[name.substr(11)] = value;
      total += name.size() - 11 + value.size();
    } else if (name.starts_with("x-amz-")) {
      headers[name] = value;
    }
  }
  if (total > 2048) return FakeS3::error(400, "MetadataTooLarge");
  return std::nullopt;
}

RawResponse S3State::list_buckets(const S3Call& call) {
  if (!call.options.lists_buckets) return FakeS3::error(403, "AccessDenied");
  std::string all;
  for (const auto& [name, objects] : buckets)
    all += fake_tag("Bucket", fake_tag("Name", name) + fake_tag("CreationDate", fake_time(0)));
  return fake_xml("ListAllMyBucketsResult",
                  fake_tag("Owner", fake_tag("ID", "me")) + fake_tag("Buckets", all));
}

RawResponse S3State::handle(const S3Call& call) {
  if (call.op == "ListBuckets") return list_buckets(call);
  const auto found = buckets.find(call.bucket);
  if (call.op == "CreateBucket") {
    if (found != buckets.end()) return FakeS3::error(409, "BucketAlreadyOwnedByYou");
    buckets[call.bucket];
    return {};
  }
  if (found == buckets.end()) return FakeS3::error(404, "NoSuchBucket");
  Bucket& bucket = found->second;
  if (call.key.size() > 1024) return FakeS3::error(400, "KeyTooLongError");
  if (call.op == "HeadBucket") {
    RawResponse response;
    response.headers.emplace_back("x-amz-bucket-region",
                                  call.options.region.empty() ? "us-east-1" : call.options.region);
    return response;
  }
  if (call.op == "ListObjectsV2") return list_objects(call, bucket);
  if (call.op == "ListMultipartUploads") return list_uploads(call);
  if (call.op == "DeleteObjects") return delete_objects(call, bucket);
  if (call.op == "HeadObject" || call.op == "GetObject") return get_object(call, bucket);
  if (call.op == "PutObject") return put_object(call, bucket);
  if (call.op == "CopyObject") return copy_object(call, bucket);
  if (call.op == "CreateMultipartUpload") return create_upload(call);
  if (call.op == "UploadPart" || call.op == "UploadPartCopy") return upload_part(call);
  if (call.op == "ListParts") return list_parts(call);
  if (call.op == "CompleteMultipartUpload") return complete_upload(call, bucket);
  if (call.op == "AbortMultipartUpload") return abort_upload(call);
  bucket.erase(call.key);  // DeleteObject
  return {.status = 204};
}

std::string S3State::new_etag(bool with_md5, std::string_view content) {
  if (!with_md5) return "\"opaque-" + std::to_string(next_id++) + "\"";
  return "\"" + to_hex(md5(as_bytes(content))) + "\"";
}

RawResponse S3State::get_object(const S3Call& call, const Bucket& bucket) {
  const auto found = bucket.find(call.key);
  if (found == bucket.end()) return FakeS3::error(404, "NoSuchKey");
  const FakeObject& object = found->second;
  if (auto refusal = check_conditions(call, &object)) return *refusal;
  RawResponse response;
  describe(call, object, response);
  if (call.op == "HeadObject") {
    response.headers.emplace_back("Content-Length", std::to_string(object.content.size()));
    return response;
  }
  const std::string range = call.header("range");
  if (range.empty()) {
    response.body = object.content;
    return response;
  }
  const auto part = read_range(range, object.content.size());
  if (!part) return FakeS3::error(416, "InvalidRange");
  const auto [first, length] = *part;
  response.status = 206;
  response.body = object.content.substr(first, length);
  response.headers.emplace_back("Content-Range", "bytes " + std::to_string(first) + "-" +
                                                     std::to_string(first + length - 1) + "/" +
                                                     std::to_string(object.content.size()));
  return response;
}

RawResponse S3State::put_object(const S3Call& call, Bucket& bucket) {
  const auto found = bucket.find(call.key);
  if (call.options.put_conditions)
    if (auto refusal = check_conditions(call, found == bucket.end() ? nullptr : &found->second))
      return *refusal;
  FakeObject object;
  if (auto refusal = read_attributes(call, object.content_type, object.metadata, object.headers))
    return *refusal;
  object.content = call.body();
  object.etag = "\"" + to_hex(md5(as_bytes(object.content))) + "\"";
  object.modified = call.now;
  RawResponse response;
  response.headers.emplace_back("ETag", object.etag);
  object.checksum = stored_checksum(call, sent_checksum(call).name, object.content);
  if (!object.checksum.name.empty()) {
    add_header(object.checksum, response);
    response.headers.emplace_back("x-amz-checksum-type", object.checksum.type);
  }
  bucket[call.key] = std::move(object);
  return response;
}

std::variant<const FakeObject*, RawResponse> S3State::copy_source(const S3Call& call) {
  std::string source = fake_decode(call.header("x-amz-copy-source"));
  if (source.starts_with('/')) source.erase(0, 1);
  const std::size_t slash = source.find('/');
  if (slash == std::string::npos) return FakeS3::error(400, "InvalidArgument");
  const auto bucket = buckets.find(source.substr(0, slash));
  if (bucket == buckets.end()) return FakeS3::error(404, "NoSuchBucket");
  const auto object = bucket->second.find(source.substr(slash + 1));
  if (object == bucket->second.end()) return FakeS3::error(404, "NoSuchKey");
  const std::string match = call.header("x-amz-copy-source-if-match");
  if (call.options.copy_conditions && !match.empty() && !same_etag(match, object->second.etag))
    return FakeS3::error(412, "PreconditionFailed");
  return &object->second;
}

RawResponse S3State::copy_object(const S3Call& call, Bucket& bucket) {
  const auto source = copy_source(call);
  if (const auto* refusal = std::get_if<RawResponse>(&source)) return *refusal;
  const auto present = bucket.find(call.key);
  if (call.options.put_conditions)
    if (auto refusal = check_conditions(call, present == bucket.end() ? nullptr : &present->second))
      return *refusal;
  FakeObject object = *std::get<const FakeObject*>(source);
  if (object.content.size() > call.options.max_copy)
    return FakeS3::error(400, "InvalidRequest",
                         "The specified copy source is larger than the maximum allowable size");
  if (call.header("x-amz-metadata-directive") == "REPLACE") {
    object.metadata.clear();
    if (auto refusal = read_attributes(call, object.content_type, object.metadata, object.headers))
      return *refusal;
  }
  object.etag = "\"" + to_hex(md5(as_bytes(object.content))) + "\"";
  object.modified = call.now;
  std::string answer =
      fake_tag("LastModified", fake_time(call.now)) + fake_tag("ETag", fake_escape(object.etag));
  object.checksum = stored_checksum(call, object.checksum.name, object.content);
  answer += checksum_tag(object.checksum);
  bucket[call.key] = std::move(object);
  return fake_xml("CopyObjectResult", answer, call.options.keep_alive);
}

RawResponse S3State::delete_objects(const S3Call& call, Bucket& bucket) {
  const auto& headers = call.request->headers;
  if (std::none_of(headers.begin(), headers.end(), [](const auto& field) {
        return field.first == "content-md5" || field.first.starts_with("x-amz-checksum-");
      }))
    return FakeS3::error(400, "InvalidRequest", "Missing required header: Content-MD5");
  const auto keys = fake_elements(call.body(), "Key");
  if (keys.empty() || keys.size() > 1000) return FakeS3::error(400, "MalformedXML");
  const bool quiet = !fake_elements(call.body(), "Quiet").empty();
  std::string answer;
  for (const std::string& key : keys) {
    bucket.erase(key);
    if (!quiet) answer += fake_tag("Deleted", fake_tag("Key", fake_escape(key)));
  }
  return fake_xml("DeleteResult", answer);
}

RawResponse S3State::list_objects(const S3Call& call, const Bucket& bucket) {
  const std::string prefix = call.arg("prefix"), delimiter = call.arg("delimiter");
  std::string after = call.arg("start-after");
  if (const std::string token = call.arg("continuation-token"); !token.empty()) {
    if (!token.starts_with("next:")) return FakeS3::error(400, "InvalidArgument");
    after = token.substr(5);
  }
  std::size_t limit = call.options.page_size;
  if (const std::string most = call.arg("max-keys"); !most.empty())
    limit = std::min<std::size_t>(limit, std::strtoull(most.c_str(), nullptr, 10));
  std::string content, last;
  std::size_t count = 0;
  bool truncated = false;
  std::string group;  // the common prefix being skipped
  for (auto it = bucket.lower_bound(prefix); it != bucket.end(); ++it) {
    const auto& [key, object] = *it;
    if (!key.starts_with(prefix)) break;
    std::string name = key;
    if (const std::size_t at =
            delimiter.empty() ? std::string::npos : key.find(delimiter, prefix.size());
        at != std::string::npos)
      name = key.substr(0, at + delimiter.size());
    const bool common = name != key || (!delimiter.empty() && key.size() > prefix.size() &&
                                        key.ends_with(delimiter));
    if (name <= after || (common && name == group)) continue;
    if (count == limit) {
      truncated = true;
      break;
    }
    ++count;
    last = name;
    if (common) {
      group = name;
      content += fake_tag("CommonPrefixes", fake_tag("Prefix", list_key(call, name)));
      continue;
    }
    content += fake_tag("Contents", fake_tag("Key", list_key(call, key)) +
                                        fake_tag("LastModified", fake_time(object.modified)) +
                                        fake_tag("ETag", fake_escape(object.etag)) +
                                        fake_tag("Size", std::to_string(object.content.size())) +
                                        fake_tag("StorageClass", "STANDARD"));
  }
  std::string head = fake_tag("Name", call.bucket) + fake_tag("Prefix", list_key(call, prefix)) +
                     fake_tag("KeyCount", std::to_string(count)) +
                     fake_tag("IsTruncated", truncated ? "true" : "false");
  if (call.arg("encoding-type") == "url") head += fake_tag("EncodingType", "url");
  if (truncated) head += fake_tag("NextContinuationToken", fake_escape("next:" + last));
  return fake_xml("ListBucketResult", head + content);
}

}  // namespace dray::test
