#include "tests/support/fake_s3.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "dray/base/time.h"
#include "tests/support/fake_s3_checksums.h"

namespace dray::test {

namespace {

bool has(const FakeQuery& query, std::string_view name) {
  return std::any_of(query.begin(), query.end(), [&](const auto& p) { return p.first == name; });
}

std::string service_operation(const std::string& method) {
  return method == "GET" ? "ListBuckets" : "";
}

std::string bucket_operation(const std::string& method, const FakeQuery& query) {
  if (method == "HEAD") return "HeadBucket";
  if (method == "PUT") return "CreateBucket";
  if (method == "POST" && has(query, "delete")) return "DeleteObjects";
  if (method == "GET" && has(query, "uploads")) return "ListMultipartUploads";
  if (method == "GET" && fake_get(query, "list-type") == "2") return "ListObjectsV2";
  return "";
}

std::string object_operation(const RawRequest& request, const FakeQuery& query) {
  const bool copy = !request.header("x-amz-copy-source").empty();
  const bool upload = has(query, "uploadId");
  if (request.method == "HEAD") return "HeadObject";
  if (request.method == "GET") return upload ? "ListParts" : "GetObject";
  if (request.method == "DELETE") return upload ? "AbortMultipartUpload" : "DeleteObject";
  if (request.method == "PUT" && upload) return copy ? "UploadPartCopy" : "UploadPart";
  if (request.method == "PUT") return copy ? "CopyObject" : "PutObject";
  if (request.method == "POST" && upload) return "CompleteMultipartUpload";
  if (request.method == "POST" && has(query, "uploads")) return "CreateMultipartUpload";
  return "";
}

/// Bucket and key from the path, or the bucket from "bucket.localhost".
void locate(const RawRequest& request, S3Call& call) {
  std::string path = request.path.substr(1);
  const std::string host = request.header("host");
  if (const std::size_t dot = host.find(".localhost"); dot != std::string::npos) {
    call.bucket = host.substr(0, dot);
    call.key = fake_decode(path);
    return;
  }
  const std::size_t slash = path.find('/');
  call.bucket = fake_decode(path.substr(0, slash));
  if (slash != std::string::npos) call.key = fake_decode(path.substr(slash + 1));
}

}  // namespace

FakeS3Options FakeS3Options::rgw16() {
  FakeS3Options options;
  options.complete_conditions = false;
  options.copy_conditions = false;
  options.checksums = false;
  options.needs_every_part = true;
  options.complete_etag = false;
  return options;
}

FakeS3Options FakeS3Options::minio() {
  FakeS3Options options;
  options.complete_again = false;
  return options;
}

FakeS3Options FakeS3Options::old_checksums() {
  FakeS3Options options;
  options.crc64nvme = false;
  options.full_object_crc32c = false;
  return options;
}

struct FakeS3::Impl {
  mutable std::mutex mutex;
  FakeS3Options options;
  S3State state;
  Before before;
  After after;
  std::map<std::string, int> lost;
  struct Failure {
    int status;
    std::string code;
    int times;
  };
  std::map<std::string, Failure> failures;
  std::set<std::string> expired_tokens;
  std::map<std::string, int> counts;
  std::vector<std::string> order;
  int requests = 0;
  std::unique_ptr<RawServer> server;  // last: its threads stop before the rest goes away

  RawResponse answer(const RawRequest& request);
  RawResponse carry_out(const RawRequest& request, S3Call& call, int n);
  std::optional<RawResponse> planned_failure(const std::string& op);
  bool lose(const std::string& op);
};

std::optional<RawResponse> FakeS3::Impl::planned_failure(const std::string& op) {
  const std::lock_guard lock(mutex);
  const auto found = failures.find(op);
  if (found == failures.end() || found->second.times == 0) return std::nullopt;
  --found->second.times;
  return FakeS3::error(found->second.status, found->second.code);
}

bool FakeS3::Impl::lose(const std::string& op) {
  const std::lock_guard lock(mutex);
  const auto found = lost.find(op);
  return found != lost.end() && found->second-- > 0;
}

RawResponse FakeS3::Impl::carry_out(const RawRequest& request, S3Call& call, int n) {
  Before hook;
  std::set<std::string> expired;
  {
    const std::lock_guard lock(mutex);
    hook = before;
    expired = expired_tokens;
  }
  if (hook)
    if (auto given = hook(request, call.op, n)) return *given;
  if (auto failure = planned_failure(call.op)) return *failure;
  if (call.options.verify_signature)
    if (auto refusal = check_signature(request, call.options, expired, call.now)) return *refusal;
  if (call.op.empty()) return FakeS3::error(501, "NotImplemented");
  if (auto refusal = check_body(call)) return *refusal;
  const std::lock_guard lock(mutex);
  return state.handle(call);
}

RawResponse FakeS3::Impl::answer(const RawRequest& request) {
  S3Call call;
  call.request = &request;
  call.query = fake_query(request.query);
  locate(request, call);
  call.op = call.bucket.empty() ? service_operation(request.method)
            : call.key.empty()  ? bucket_operation(request.method, call.query)
                                : object_operation(request, call.query);
  After hook;
  int n = 0, id = 0;
  {
    const std::lock_guard lock(mutex);
    call.options = options;
    n = ++counts[call.op];
    id = ++requests;
    order.push_back(call.op);
    hook = after;
  }
  call.now = call.options.now ? call.options.now() : unix_now();
  RawResponse response = carry_out(request, call, n);
  response.headers.emplace_back("Date", http_date(call.now));
  response.headers.emplace_back("x-amz-request-id", "REQ" + std::to_string(id));
  if (request.method == "HEAD" && response.status >= 300) response.body.clear();
  if (hook) hook(request, call.op, n, response);
  if (response.status < 300 && lose(call.op)) response.drop = true;
  return response;
}

FakeS3::FakeS3(FakeS3Options options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  Impl* impl = impl_.get();
  impl_->server = std::make_unique<RawServer>(
      [impl](const RawRequest& request) { return impl->answer(request); });
}
FakeS3::~FakeS3() = default;

std::string FakeS3::url() const { return impl_->server->url(); }
int FakeS3::port() const { return impl_->server->port(); }
RawServer& FakeS3::server() { return *impl_->server; }

FakeS3Options FakeS3::options() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->options;
}

void FakeS3::configure(std::function<void(FakeS3Options&)> change) {
  const std::lock_guard lock(impl_->mutex);
  change(impl_->options);
}

void FakeS3::make_bucket(const std::string& bucket) {
  const std::lock_guard lock(impl_->mutex);
  impl_->state.buckets[bucket];
}

void FakeS3::put(const std::string& bucket, const std::string& key, std::string content,
                 std::map<std::string, std::string> metadata) {
  const std::lock_guard lock(impl_->mutex);
  RawRequest request;
  request.body = std::move(content);
  for (auto& [name, value] : metadata)
    request.headers.emplace_back("x-amz-meta-" + name, std::move(value));
  S3Call call;
  call.request = &request;
  call.op = "PutObject";
  call.bucket = bucket;
  call.key = key;
  call.options = impl_->options;
  call.now = call.options.now ? call.options.now() : unix_now();
  impl_->state.buckets[bucket];
  impl_->state.handle(call);
}

void FakeS3::erase(const std::string& bucket, const std::string& key) {
  const std::lock_guard lock(impl_->mutex);
  impl_->state.buckets[bucket].erase(key);
}

void FakeS3::spoil(const std::string& bucket, const std::string& key,
                   const std::function<void(FakeObject&)>& change) {
  const std::lock_guard lock(impl_->mutex);
  change(impl_->state.buckets.at(bucket).at(key));
}

std::map<std::string, FakeObject> FakeS3::objects(const std::string& bucket) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->state.buckets.find(bucket);
  return found == impl_->state.buckets.end() ? S3State::Bucket{} : found->second;
}

std::optional<FakeObject> FakeS3::object(const std::string& bucket, const std::string& key) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->state.buckets.find(bucket);
  if (found == impl_->state.buckets.end() || !found->second.contains(key)) return std::nullopt;
  return found->second.at(key);
}

std::vector<FakeUpload> FakeS3::uploads(const std::string& bucket) const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<FakeUpload> out;
  for (const auto& [id, upload] : impl_->state.uploads) {
    if (upload.bucket != bucket) continue;
    FakeUpload copy{upload.key, id, {}};
    for (const auto& [number, part] : upload.parts) copy.parts[number] = part.content;
    out.push_back(std::move(copy));
  }
  return out;
}

int FakeS3::count(const std::string& op) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->counts.find(op);
  return found == impl_->counts.end() ? 0 : found->second;
}

std::vector<std::string> FakeS3::operations() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->order;
}

void FakeS3::before(Before hook) {
  const std::lock_guard lock(impl_->mutex);
  impl_->before = std::move(hook);
}

void FakeS3::after(After hook) {
  const std::lock_guard lock(impl_->mutex);
  impl_->after = std::move(hook);
}

void FakeS3::lose_answers(const std::string& op, int times) {
  const std::lock_guard lock(impl_->mutex);
  impl_->lost[op] = times;
}

void FakeS3::fail(const std::string& op, int status, const std::string& code, int times) {
  const std::lock_guard lock(impl_->mutex);
  impl_->failures[op] = {status, code, times};
}

void FakeS3::expire_token(const std::string& token) {
  const std::lock_guard lock(impl_->mutex);
  impl_->expired_tokens.insert(token);
}

RawResponse FakeS3::error(int status, const std::string& code, const std::string& message) {
  RawResponse response;
  response.status = status;
  response.headers.emplace_back("Content-Type", "application/xml");
  response.body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>" + fake_tag("Code", code) +
                  fake_tag("Message", message) + fake_tag("RequestId", "REQ") + "</Error>";
  return response;
}

}  // namespace dray::test
