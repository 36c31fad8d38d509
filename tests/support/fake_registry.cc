#include "tests/support/fake_registry.h"

#include <algorithm>
#include <mutex>

#include "dray/base/time.h"
#include "tests/support/fake_registry_auth.h"
#include "tests/support/fake_registry_state.h"

namespace dray::test {

namespace {

using Host = RegistryRequest::Host;

RawResponse html_page(int status, const std::string& title) {
  RawResponse response{.status = status};
  response.headers.emplace_back("Content-Type", "text/html; charset=utf-8");
  response.body =
      "<html><head><title>" + title + "</title></head><body><h1>" + title + "</h1></body></html>\n";
  return response;
}

/// A request between its head and its answer.
struct PendingRequest {
  RegistryCall call;
  std::vector<RegistryFault> faults;
  std::optional<RawResponse> refusal;  // sent instead of carrying it out
  std::size_t log = 0;                 // place in the log
};

RegistryRequest noted(const RegistryCall& call) {
  RegistryRequest out;
  out.host = call.host;
  out.op = call.op;
  out.method = call.request->method;
  out.path = call.request->path;
  out.query = call.request->query;
  out.repository = call.repository;
  out.reference = call.reference;
  for (const auto& field : call.request->headers)
    if (field.first != "authorization") out.headers.push_back(field);
  const std::string authorization = call.header("authorization");
  out.authorization = authorization.substr(0, authorization.find(' '));
  return out;
}

}  // namespace

struct FakeRegistry::Impl {
  mutable std::mutex mutex;
  RegistryOptions options;
  RegistryState state;
  RegistryTokens tokens;
  std::vector<RegistryFault> faults;
  std::vector<RegistryRequest> log;
  std::map<std::pair<Host, std::uint64_t>, PendingRequest> pending;
  std::string url, storage_url, own_token_url;
  // Last: their threads stop before the rest goes away.
  std::unique_ptr<RawServer> token_server, storage, registry;

  std::unique_ptr<RawServer> serve(Host host);
  RawBody begin(const RawRequest& head, Host host);
  RawResponse finish(const RawRequest& request, Host host);
  void broken(const RawRequest& request, Host host);

  std::vector<RegistryFault> strike(const RegistryCall& call);
  std::optional<RawResponse> refuse(RegistryCall& call, const std::vector<RegistryFault>& struck);
  std::optional<RawResponse> too_long(const RegistryCall& call, std::uint64_t length) const;
  RawResponse carry_out(const PendingRequest& entry);
  RawResponse end(const RawRequest& request, const PendingRequest& entry, RawResponse response);
  PendingRequest take(const RawRequest& request, Host host);
  std::string realm() const { return (options.auth.own_host ? own_token_url : url) + "/token"; }
};

std::unique_ptr<RawServer> FakeRegistry::Impl::serve(Host host) {
  RawIntake intake;
  intake.begin = [this, host](const RawRequest& head) { return begin(head, host); };
  intake.broken = [this, host](const RawRequest& request) { broken(request, host); };
  return std::make_unique<RawServer>(
      [this, host](const RawRequest& request) { return finish(request, host); }, std::move(intake));
}

/// The faults whose turn it is.
std::vector<RegistryFault> FakeRegistry::Impl::strike(const RegistryCall& call) {
  std::vector<RegistryFault> out;
  for (RegistryFault& fault : faults) {
    if (fault.op != call.op || fault.times == 0) continue;
    if (!fault.repository.empty() && fault.repository != call.repository) continue;
    if (call.request->target.find(fault.target) == std::string::npos) continue;
    if (fault.skip > 0) {
      --fault.skip;
      continue;
    }
    --fault.times;
    out.push_back(fault);
  }
  return out;
}

std::optional<RawResponse> FakeRegistry::Impl::too_long(const RegistryCall& call,
                                                        std::uint64_t length) const {
  const std::uint64_t limit = call.options.quirks.max_body;
  if (limit == 0 || length <= limit || call.host != Host::registry) return std::nullopt;
  return html_page(413, "413 Request Entity Too Large");
}

/// What is answered on the head alone: the proxy in front comes first, then what was told, then the
/// registry's own reasons.
std::optional<RawResponse> FakeRegistry::Impl::refuse(RegistryCall& call,
                                                      const std::vector<RegistryFault>& struck) {
  if (auto refusal = too_long(call, call.content_length().value_or(0))) return refusal;
  for (const RegistryFault& fault : struck) {
    if (fault.forget_upload) state.uploads.erase(call.reference);
    if (fault.expire_tokens_before) tokens.expire();
    if (fault.status == 0) continue;
    RawResponse response = error(fault.status, fault.code);
    if (fault.retry_after)
      response.headers.emplace_back("Retry-After", std::to_string(*fault.retry_after));
    return response;
  }
  if (call.op == RegistryOp::get_token) return std::nullopt;
  if (call.host == Host::registry)
    if (auto refusal = tokens.refuse(call, realm())) return refusal;
  return state.refuse(call);
}

RawBody FakeRegistry::Impl::begin(const RawRequest& head, Host host) {
  RegistryCall call = read_call(head, host);
  PendingRequest entry;
  RawBody plan;
  {
    const std::lock_guard lock(mutex);
    call.options = options;
    call.now = options.now ? options.now() : unix_now();
    call.storage_url = storage_url;
    entry.faults = strike(call);
    entry.log = log.size();
    log.push_back(noted(call));
    for (const RegistryFault& fault : entry.faults) {
      if (fault.cut_body) plan.cut_after = fault.cut_body;
      if (fault.stall_body) plan.stall_after = fault.stall_body;
    }
    entry.refusal = refuse(call, entry.faults);
    const bool early = entry.refusal && options.quirks.early_refusals;
    log[entry.log].refused = early;
    entry.call = std::move(call);
    if (!early) {
      pending[{host, head.id}] = std::move(entry);
      return plan;
    }
  }
  plan.refusal = end(head, entry, std::move(*entry.refusal));
  return plan;
}

PendingRequest FakeRegistry::Impl::take(const RawRequest& request, Host host) {
  auto node = pending.extract({host, request.id});
  PendingRequest out = std::move(node.mapped());
  out.call.request = &request;
  log[out.log].body_bytes = request.body.size();
  return out;
}

RawResponse FakeRegistry::Impl::carry_out(const PendingRequest& entry) {
  if (entry.refusal) return *entry.refusal;
  if (auto refusal = too_long(entry.call, entry.call.body().size())) return *refusal;
  if (entry.call.op == RegistryOp::get_token) return tokens.issue(entry.call);
  return state.handle(entry.call);
}

RawResponse FakeRegistry::Impl::finish(const RawRequest& request, Host host) {
  PendingRequest entry;
  {
    const std::lock_guard lock(mutex);
    entry = take(request, host);
    log[entry.log].complete = true;
  }
  for (const RegistryFault& fault : entry.faults)
    if (fault.before) fault.before(request);
  RawResponse response;
  {
    const std::lock_guard lock(mutex);
    response = carry_out(entry);
  }
  return end(request, entry, std::move(response));
}

void FakeRegistry::Impl::broken(const RawRequest& request, Host host) {
  const std::lock_guard lock(mutex);
  const PendingRequest entry = take(request, host);
  if (!entry.refusal) state.interrupt(entry.call);
  for (const RegistryFault& fault : entry.faults)
    if (fault.expire_tokens) tokens.expire();
}

/// What the faults leave of an answer. The test's own functions may call the registry.
RawResponse FakeRegistry::Impl::end(const RawRequest& request, const PendingRequest& entry,
                                    RawResponse response) {
  bool expire = false;
  for (const RegistryFault& fault : entry.faults) {
    if (fault.html) {
      RawResponse page = html_page(response.status, "Something else");
      response.headers = page.headers;
      response.body = page.body;
    }
    if (fault.lose_answer) response.drop = true;
    if (fault.silent) response.silent = true;
    if (fault.reset_after) response.reset_after = fault.reset_after;
    if (fault.close_after) response.close_after = fault.close_after;
    if (fault.stall_after) response.stall_after = fault.stall_after;
    if (fault.flip_at) response.flip_at = fault.flip_at;
    if (fault.change) fault.change(request, response);
    expire = expire || fault.expire_tokens;
  }
  const std::lock_guard lock(mutex);
  if (expire) tokens.expire();
  if (!response.drop && !response.silent) log[entry.log].status = response.status;
  return response;
}

FakeRegistry::FakeRegistry(RegistryOptions options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->token_server = impl_->serve(Host::tokens);
  impl_->storage = impl_->serve(Host::storage);
  impl_->registry = impl_->serve(Host::registry);
  impl_->own_token_url = impl_->token_server->url();
  impl_->storage_url = impl_->storage->url();
  impl_->url = impl_->registry->url();
}

FakeRegistry::~FakeRegistry() = default;

std::string FakeRegistry::url() const { return impl_->url; }

std::string FakeRegistry::host() const { return url().substr(url().find("://") + 3); }

std::string FakeRegistry::storage_url() const { return impl_->storage_url; }

std::string FakeRegistry::token_url() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->realm();
}

std::size_t FakeRegistry::connections() const { return impl_->registry->connections(); }

RegistryOptions FakeRegistry::options() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->options;
}

void FakeRegistry::configure(const std::function<void(RegistryOptions&)>& change) {
  const std::lock_guard lock(impl_->mutex);
  change(impl_->options);
}

void FakeRegistry::make_repository(const std::string& repository) {
  const std::lock_guard lock(impl_->mutex);
  impl_->state.repositories[repository];
}

std::string FakeRegistry::put_blob(const std::string& repository, std::string content) {
  const std::string digest = digest_of(content);
  const std::lock_guard lock(impl_->mutex);
  impl_->state.contents[digest] = std::move(content);
  impl_->state.repositories[repository].blobs.insert(digest);
  return digest;
}

void FakeRegistry::remove_blob(const std::string& repository, const std::string& digest) {
  const std::lock_guard lock(impl_->mutex);
  impl_->state.repositories[repository].blobs.erase(digest);
}

void FakeRegistry::spoil_blob(const std::string& digest, std::string content) {
  const std::lock_guard lock(impl_->mutex);
  impl_->state.contents.at(digest) = std::move(content);
}

std::string FakeRegistry::put_manifest(const std::string& repository, const std::string& reference,
                                       const std::string& json) {
  const std::string type = parse_json(json, "manifest").value("mediaType", "");
  const std::lock_guard lock(impl_->mutex);
  return impl_->state.store_manifest(repository, reference, type, json);
}

std::set<std::string> FakeRegistry::blobs(const std::string& repository) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->state.repositories.find(repository);
  return found == impl_->state.repositories.end() ? std::set<std::string>{} : found->second.blobs;
}

std::optional<std::string> FakeRegistry::blob(const std::string& repository,
                                              const std::string& digest) const {
  if (!blobs(repository).contains(digest)) return std::nullopt;
  const std::lock_guard lock(impl_->mutex);
  return impl_->state.contents.at(digest);
}

std::optional<FakeManifest> FakeRegistry::manifest(const std::string& repository,
                                                   const std::string& reference) const {
  const std::lock_guard lock(impl_->mutex);
  const StoredManifest* found = impl_->state.find_manifest(repository, reference);
  if (found == nullptr) return std::nullopt;
  return FakeManifest{found->content, found->type, found->digest};
}

std::map<std::string, std::string> FakeRegistry::tags(const std::string& repository) const {
  const std::lock_guard lock(impl_->mutex);
  const auto found = impl_->state.repositories.find(repository);
  if (found == impl_->state.repositories.end()) return {};
  return found->second.tags;
}

std::vector<FakeBlobUpload> FakeRegistry::uploads() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<FakeBlobUpload> out;
  for (const auto& [id, upload] : impl_->state.uploads)
    out.push_back({id, upload.repository, upload.content, upload.patches});
  return out;
}

void FakeRegistry::fault(RegistryFault fault) {
  const std::lock_guard lock(impl_->mutex);
  impl_->faults.push_back(std::move(fault));
}

void FakeRegistry::forget_uploads() {
  const std::lock_guard lock(impl_->mutex);
  impl_->state.uploads.clear();
}

void FakeRegistry::expire_links() {
  const std::lock_guard lock(impl_->mutex);
  impl_->state.expire_links();
}

void FakeRegistry::expire_tokens() {
  const std::lock_guard lock(impl_->mutex);
  impl_->tokens.expire();
}

std::size_t FakeRegistry::faults_left() const {
  const std::lock_guard lock(impl_->mutex);
  const auto& faults = impl_->faults;
  return static_cast<std::size_t>(std::count_if(
      faults.begin(), faults.end(), [](const RegistryFault& fault) { return fault.times > 0; }));
}

std::vector<RegistryRequest> FakeRegistry::requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->log;
}

std::vector<RegistryRequest> FakeRegistry::requests(RegistryOp op) const {
  std::vector<RegistryRequest> out = requests();
  std::erase_if(out, [&](const RegistryRequest& request) { return request.op != op; });
  return out;
}

std::size_t FakeRegistry::count(RegistryOp op) const { return requests(op).size(); }

std::vector<RegistryOp> FakeRegistry::operations() const {
  std::vector<RegistryOp> out;
  for (const RegistryRequest& request : requests()) out.push_back(request.op);
  return out;
}

std::vector<RegistryTokenRequest> FakeRegistry::token_requests() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->tokens.log;
}

bool FakeRegistry::credentials_leaked() const {
  const auto all = requests();
  return std::any_of(all.begin(), all.end(), [](const RegistryRequest& request) {
    return request.host == Host::storage && !request.authorization.empty();
  });
}

}  // namespace dray::test
