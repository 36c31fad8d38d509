// What FakeS3 holds and how it answers each operation, once a request is signed and named.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/support/fake_s3.h"
#include "tests/support/fake_s3_auth.h"

namespace dray::test {

/// A request, taken apart.
struct S3Call {
  const RawRequest* request = nullptr;
  std::string op, bucket, key;
  FakeQuery query;
  FakeS3Options options;  // as they were when it came
  std::int64_t now = 0;

  std::string header(std::string_view name) const { return request->header(name); }
  std::string arg(std::string_view name) const { return fake_get(query, name); }
  const std::string& body() const { return request->body; }
};

struct StoredPart {
  std::string content, etag;
  FakeChecksum checksum;
  std::int64_t modified = 0;
};

struct StoredUpload {
  std::string bucket, key, id, content_type;
  std::map<std::string, std::string> metadata, headers;
  FakeChecksum declared;  // name and type that it was begun with
  std::map<int, StoredPart> parts;
  std::int64_t initiated = 0;
};

struct FinishedUpload {
  std::string request_body, answer;
};

/// Not thread-safe: FakeS3 holds a mutex around `handle`.
class S3State {
 public:
  using Bucket = std::map<std::string, FakeObject>;
  std::map<std::string, Bucket> buckets;
  std::map<std::string, StoredUpload> uploads;  // by id; ids ascend
  std::map<std::string, FinishedUpload> finished;
  int next_id = 1;

  RawResponse handle(const S3Call& call);

 private:
  RawResponse list_buckets(const S3Call& call);
  RawResponse list_objects(const S3Call& call, const Bucket& bucket);
  RawResponse list_uploads(const S3Call& call);
  RawResponse delete_objects(const S3Call& call, Bucket& bucket);
  RawResponse get_object(const S3Call& call, const Bucket& bucket);
  RawResponse put_object(const S3Call& call, Bucket& bucket);
  RawResponse copy_object(const S3Call& call, Bucket& bucket);
  RawResponse create_upload(const S3Call& call);
  RawResponse upload_part(const S3Call& call);
  RawResponse list_parts(const S3Call& call);
  RawResponse complete_upload(const S3Call& call, Bucket& bucket);
  RawResponse abort_upload(const S3Call& call);
  StoredUpload* find_upload(const S3Call& call);
  /// The source of a copy, its conditions checked.
  std::variant<const FakeObject*, RawResponse> copy_source(const S3Call& call);
  std::string new_etag(bool md5, std::string_view content);
};

// Shared by the two halves of the implementation.
std::string fake_escape(std::string_view text);
std::string fake_tag(std::string_view name, std::string_view value);
/// Every text between <name> and </name>, unescaped.
std::vector<std::string> fake_elements(std::string_view xml, const std::string& name);
std::string fake_time(std::int64_t time);
RawResponse fake_xml(std::string_view root, const std::string& content, std::string_view lead = "");
/// If-Match and If-None-Match against what is there now.
std::optional<RawResponse> check_conditions(const S3Call& call, const FakeObject* present);
bool same_etag(std::string_view a, std::string_view b);
/// Fills content type, metadata and other x-amz-* headers; refuses metadata that S3 would refuse.
std::optional<RawResponse> read_attributes(const S3Call& call, std::string& content_type,
                                           std::map<std::string, std::string>& metadata,
                                           std::map<std::string, std::string>& headers);

}  // namespace dray::test
