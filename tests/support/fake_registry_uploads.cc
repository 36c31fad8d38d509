// Upload sessions of a FakeRegistry.
#include <algorithm>

#include "dray/http/url.h"
#include "tests/support/fake_registry_state.h"

namespace dray::test {

namespace {

/// What a Location's `_state` says: which session, at which offset.
struct UploadState {
  std::string id;
  std::uint64_t offset = 0;
};

/// Text that must travel as it is: its padding is percent-encoded in the Location.
std::string pack(const UploadState& state, std::uint64_t serial) {
  std::string text = state.id + ":" + std::to_string(state.offset) + ":" + std::to_string(serial);
  while (text.size() % 3 != 1) text += ':';
  return to_base64(as_bytes(text));
}

std::optional<UploadState> unpack(const std::string& packed) {
  const auto bytes = from_base64(packed);
  if (!bytes) return std::nullopt;
  const std::string text(as_text(*bytes));
  const std::size_t first = text.find(':');
  if (first == std::string::npos) return std::nullopt;
  const std::size_t second = text.find(':', first + 1);
  const auto offset = parse_u64(text.substr(first + 1, second - first - 1));
  if (!offset) return std::nullopt;
  return UploadState{text.substr(0, first), *offset};
}

/// "a-b" as the specification has it, both ends included and no unit; nullopt if it is not.
std::optional<ByteRange> read_content_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = parse_u64(text.substr(0, dash));
  const auto last = parse_u64(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return ByteRange{*first, *last - *first + 1};
}

/// "0-(n-1)"; for no bytes "0-0", as docker-registry has it.
std::string range_of(std::uint64_t size, std::uint64_t excess = 0) {
  const std::uint64_t end = size + excess;
  return "0-" + std::to_string(end == 0 ? 0 : end - 1);
}

}  // namespace

std::string RegistryState::location(const RegistryCall& call, const StoredBlobUpload& upload) {
  const RegistryQuirks& quirks = call.options.quirks;
  std::string text = quirks.uploads_elsewhere    ? call.storage_url
                     : quirks.relative_locations ? ""
                                                 : call.base_url();
  text += "/v2/" + upload.repository + "/blobs/uploads/" + upload.id;
  if (quirks.state == StateCheck::ignored) return text;
  const UploadState state{upload.id, upload.content.size()};
  return text + "?_state=" + http::percent_encode(pack(state, next_state_++));
}

RawResponse RegistryState::progress(const RegistryCall& call, const StoredBlobUpload& upload,
                                    int status) {
  RawResponse response{.status = status};
  response.headers = {{"Location", location(call, upload)},
                      {"Range", range_of(upload.content.size())},
                      {"Docker-Upload-UUID", upload.id}};
  return response;
}

RawResponse RegistryState::created(const RegistryCall& call, const std::string& digest) const {
  RawResponse response{.status = 201};
  const std::string base = call.options.quirks.relative_locations ? "" : call.base_url();
  response.headers.emplace_back("Location", base + "/v2/" + call.repository + "/blobs/" + digest);
  add_digest(call, digest, response);
  return response;
}

std::variant<StoredBlobUpload*, RawResponse> RegistryState::find_upload(const RegistryCall& call) {
  const auto found = uploads.find(call.reference);
  if (found == uploads.end() || found->second.repository != call.repository)
    return FakeRegistry::error(404, "BLOB_UPLOAD_UNKNOWN");
  StoredBlobUpload& upload = found->second;
  const StateCheck check = call.options.quirks.state;
  if (check == StateCheck::ignored) return &upload;
  if (check == StateCheck::refused && call.op == RegistryOp::upload_status) return &upload;
  const auto state = unpack(call.arg("_state").value_or(""));
  if (!state || state->id != upload.id) return FakeRegistry::error(400, "BLOB_UPLOAD_INVALID");
  if (state->offset == upload.content.size()) return &upload;
  if (check == StateCheck::refused) return FakeRegistry::error(416, "RANGE_INVALID");
  uploads.erase(found);
  return FakeRegistry::error(404, "BLOB_UPLOAD_INVALID");
}

RegistryState::Refusal RegistryState::too_large(const RegistryCall& call,
                                                std::uint64_t size) const {
  const std::uint64_t limit = call.options.quirks.max_layer;
  if (limit == 0 || size <= limit) return std::nullopt;
  return FakeRegistry::error(413, "SIZE_INVALID", "larger than allowed by this registry");
}

std::variant<RegistryState::Chunk, RawResponse> RegistryState::check_chunk(
    const RegistryCall& call, const StoredBlobUpload& upload) {
  const RegistryQuirks& quirks = call.options.quirks;
  const std::uint64_t offset = upload.content.size();
  const std::string text = call.header("content-range");
  std::uint64_t skip = 0;
  if (quirks.content_range && !text.empty()) {
    const auto out_of_order = [&] {
      RawResponse response = FakeRegistry::error(416, "RANGE_INVALID");
      response.headers.emplace_back("Range", range_of(offset, quirks.status_excess));
      response.headers.emplace_back("Location", location(call, upload));
      return response;
    };
    const auto range = read_content_range(text);
    if (!range || range->offset > offset) return out_of_order();
    if (call.content_length() && *call.content_length() != range->length)
      return FakeRegistry::error(400, "SIZE_INVALID");
    if (auto refusal = too_large(call, range->end())) return *refusal;
    // Quay takes a chunk at 0 for one without a place.
    if (range->offset < offset && !quirks.skips_overlap) return out_of_order();
    if (range->offset > 0) skip = offset - range->offset;
  }
  if (auto refusal = too_large(call, offset + call.content_length().value_or(0) - skip))
    return *refusal;
  return Chunk{skip};
}

RegistryState::Refusal RegistryState::check_patch(const RegistryCall& call,
                                                  const StoredBlobUpload& upload) {
  const RegistryQuirks& quirks = call.options.quirks;
  if (quirks.max_patches > 0 && static_cast<std::size_t>(upload.patches) >= quirks.max_patches)
    return FakeRegistry::error(quirks.extra_patch_status, "UNSUPPORTED");
  if (quirks.max_sized_patch > 0 && call.content_length().value_or(0) > quirks.max_sized_patch)
    return FakeRegistry::error(416, "RANGE_INVALID");
  if (upload.patches > 0 && upload.last_chunk < quirks.min_chunk)
    return FakeRegistry::error(400, "SIZE_INVALID", "the chunk before was too small");
  return std::nullopt;
}

RawResponse RegistryState::start_upload(const RegistryCall& call) {
  const std::string number = std::to_string(next_upload_++);
  StoredBlobUpload upload;
  upload.id = "00000000-0000-4000-8000-" +
              std::string(12 - std::min<std::size_t>(12, number.size()), '0') + number;
  upload.repository = call.repository;
  repositories[call.repository];
  const StoredBlobUpload& stored = uploads[upload.id] = upload;
  const RegistryQuirks& quirks = call.options.quirks;
  RawResponse response{.status = 202};
  response.headers = {{"Location", location(call, stored)}, {"Docker-Upload-UUID", stored.id}};
  if (!quirks.start_range.empty()) response.headers.emplace_back("Range", quirks.start_range);
  if (quirks.min_chunk > 0)
    response.headers.emplace_back("OCI-Chunk-Min-Length", std::to_string(quirks.min_chunk));
  return response;
}

RawResponse RegistryState::mount_blob(const RegistryCall& call) {
  const std::string digest = call.arg("mount").value_or("");
  const std::string from = call.arg("from").value_or("");
  if (!call.options.quirks.mounts || !call.may_mount || !has_blob(from, digest))
    return start_upload(call);
  repositories[call.repository].blobs.insert(digest);
  return created(call, digest);
}

RawResponse RegistryState::post_blob(const RegistryCall& call) {
  if (!call.options.quirks.single_post) return start_upload(call);
  const std::string digest = call.arg("digest").value_or("");
  if (auto refusal = too_large(call, call.body().size())) return *refusal;
  if (FakeRegistry::digest_of(call.body()) != digest)
    return FakeRegistry::error(400, call.options.quirks.bad_digest_code);
  contents[digest] = call.body();
  repositories[call.repository].blobs.insert(digest);
  return created(call, digest);
}

RawResponse RegistryState::patch_upload(const RegistryCall& call, StoredBlobUpload& upload) {
  if (auto refusal = check_patch(call, upload)) return *refusal;
  const auto chunk = check_chunk(call, upload);
  if (const auto* refusal = std::get_if<RawResponse>(&chunk)) return *refusal;
  const std::uint64_t skip =
      std::min<std::uint64_t>(std::get<Chunk>(chunk).skip, call.body().size());
  // A chunked body says how long it is only now.
  if (auto refusal = too_large(call, upload.content.size() + call.body().size() - skip))
    return *refusal;
  upload.content.append(call.body(), skip, std::string::npos);
  upload.last_chunk = call.body().size();
  ++upload.patches;
  return progress(call, upload, call.options.quirks.patch_status);
}

RawResponse RegistryState::finish_upload(const RegistryCall& call, StoredBlobUpload& upload) {
  const std::string digest = call.arg("digest").value_or("");
  // Without a digest the session stays, as in docker-registry.
  if (!is_registry_digest(digest)) return FakeRegistry::error(400, "DIGEST_INVALID");
  const auto chunk = check_chunk(call, upload);
  if (const auto* refusal = std::get_if<RawResponse>(&chunk)) return *refusal;
  const std::uint64_t skip =
      std::min<std::uint64_t>(std::get<Chunk>(chunk).skip, call.body().size());
  if (auto refusal = too_large(call, upload.content.size() + call.body().size() - skip))
    return *refusal;
  std::string content = std::move(upload.content);
  content.append(call.body(), skip, std::string::npos);
  uploads.erase(call.reference);  // also when the digest is wrong, as docker-registry and Quay do
  if (FakeRegistry::digest_of(content) != digest)
    return FakeRegistry::error(400, call.options.quirks.bad_digest_code);
  contents[digest] = std::move(content);
  repositories[call.repository].blobs.insert(digest);
  return created(call, digest);
}

RawResponse RegistryState::upload_status(const RegistryCall& call, const StoredBlobUpload& upload) {
  const RegistryQuirks& quirks = call.options.quirks;
  RawResponse response{.status = 204};
  response.headers = {
      {"Range", quirks.status_prefix + range_of(upload.content.size(), quirks.status_excess)},
      {"Docker-Upload-UUID", upload.id}};
  if (quirks.status_location) response.headers.emplace_back("Location", location(call, upload));
  return response;
}

void RegistryState::interrupt(const RegistryCall& call) {
  const bool put = call.op == RegistryOp::finish_upload;
  if (!put && call.op != RegistryOp::patch_upload) return;
  auto found = find_upload(call);
  if (std::holds_alternative<RawResponse>(found)) return;
  StoredBlobUpload& upload = *std::get<StoredBlobUpload*>(found);
  const RegistryQuirks& quirks = call.options.quirks;
  if (quirks.after_cut == AfterCut::is_gone || (put && quirks.cut_put_ends_upload)) {
    uploads.erase(call.reference);
    return;
  }
  const auto chunk = check_chunk(call, upload);
  if (quirks.after_cut == AfterCut::loses_bytes || std::holds_alternative<RawResponse>(chunk))
    return;
  const std::uint64_t skip =
      std::min<std::uint64_t>(std::get<Chunk>(chunk).skip, call.body().size());
  upload.content.append(call.body(), skip, std::string::npos);
}

}  // namespace dray::test
