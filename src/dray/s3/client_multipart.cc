// Multipart uploads.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/digest.h"
#include "dray/s3/client_impl.h"

namespace dray::s3 {

namespace {

constexpr int kAborts = 3;
constexpr const char *kFullObject = "FULL_OBJECT", *kComposite = "COMPOSITE";

void check_part_number(int number) {
  // Some services accept others and lose the part.
  if (number < 1 || number > kMaxParts)
    throw Error(Code::internal, fmt::format("part number {} is not in 1..10000", number));
}

Call part_call(const std::string& key, const std::string& id, int number) {
  check_key(key);
  check_part_number(number);
  return {.method = "PUT",
          .verb = fmt::format("upload part {} of", number),
          .key = key,
          .query = {{"partNumber", std::to_string(number)}, {"uploadId", id}}};
}

std::string complete_body(const std::vector<PartInfo>& parts, bool checksums) {
  std::string out = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  int last = 0;
  for (const PartInfo& part : parts) {
    check_part_number(part.number);
    if (part.number <= last) throw Error(Code::internal, "parts are not in ascending order");
    last = part.number;
    out += fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag>", part.number,
                       xml_escape(part.etag));
    if (checksums && part.checksum) {
      const std::string name = checksum_element(part.checksum->kind);
      out += fmt::format("<{}>{}</{}>", name, checksum_text(*part.checksum), name);
    }
    out += "</Part>";
  }
  return out + "</CompleteMultipartUpload>";
}

/// What an error of Complete means, where that is not what it means elsewhere.
Error complete_error(const Error& error) {
  const int status = error.http_status();
  // A gateway gave up waiting or the server failed half-way: it may have been carried out.
  if (status == 500 || status == 502 || status == 504) return Error(error).ambiguous();
  const bool whole_differs = error.code() == Code::verification;
  if (!whole_differs && error.server_code() != "ConditionalRequestConflict") return error;
  // Permanent here, though the same code on a part or a small object is not.
  return Error(error.code(), error.message())
      .on(error.verb(), error.object())
      .from(error.side())
      .http(status, error.server_code(), error.request_id())
      .hint(whole_differs ? "the parts do not make the object that was announced: the upload must "
                            "begin anew"
                          : "another writer was faster: the upload must begin anew");
}

/// Ceph says NoSuchKey when the parts of an upload that is gone are listed.
bool no_such_upload(const ServiceError& error) {
  return error.code == "NoSuchUpload" || error.code == "NoSuchKey";
}

}  // namespace

std::string Client::create_upload(const std::string& key, const CreateOptions& options,
                                  const std::stop_token& stop) {
  check_key(key);
  Call call{.method = "POST", .verb = "begin upload of", .key = key, .query = {{"uploads", ""}}};
  add_metadata(call.headers, options.content_type, options.metadata, options.headers);
  if (options.checksum) {
    call.headers.set("x-amz-checksum-algorithm", checksum_name(*options.checksum));
    call.headers.set("x-amz-checksum-type", options.composite ? kComposite : kFullObject);
  }
  return impl_->retried(stop, [&] {
    const XmlNode result =
        impl_->document(call, impl_->succeed(call, stop), "InitiateMultipartUploadResult");
    std::string id = result.get("UploadId");
    if (id.empty()) throw impl_->nonsense(call, "the answer has no upload id");
    return id;
  });
}

PartInfo Client::upload_part(const std::string& key, const std::string& id, int number, Bytes body,
                             const PartOptions& options, const std::stop_token& stop) {
  Call call = part_call(key, id, number);
  call.body = body;
  call.sign_body = false;
  if (options.checksum)
    call.headers.set(checksum_header(options.checksum->kind), checksum_text(*options.checksum));
  if (options.content_md5) call.headers.set("Content-MD5", to_base64(md5(body)));
  const http::Response response = impl_->succeed(call, stop);
  PartInfo out{.number = number,
               .size = body.size(),
               .etag = impl_->required_etag(call, response),
               .checksum = stated_checksum(response.headers)};
  if (contradict(options.checksum, out.checksum))
    throw Error(Code::verification, "the service received other bytes: its checksum differs")
        .on(call.verb, uri(key))
        .from(impl_->options.side)
        .transient();
  return out;
}

PartInfo Client::upload_part_copy(const std::string& key, const std::string& id, int number,
                                  const CopyOptions& copy, const std::stop_token& stop) {
  check_key(copy.source_key);
  Call call = part_call(key, id, number);
  call.patience = impl_->options.patience;
  call.headers.set("x-amz-copy-source",
                   encode_path((copy.source_bucket.empty() ? bucket() : copy.source_bucket) + "/" +
                               copy.source_key));
  if (!copy.source_etag.empty()) call.headers.set("x-amz-copy-source-if-match", copy.source_etag);
  if (copy.range)
    call.headers.set("x-amz-copy-source-range",
                     fmt::format("bytes={}-{}", copy.range->offset, copy.range->end() - 1));
  for (const auto& [name, value] : copy.headers) call.headers.set(name, value);
  const XmlNode result = impl_->document(call, impl_->succeed(call, stop), "CopyPartResult");
  PartInfo out{.number = number,
               .size = copy.range ? copy.range->length : 0,
               .etag = result.get("ETag"),
               .checksum = stated_checksum(result)};
  if (out.etag.empty()) throw impl_->nonsense(call, "the answer has no ETag");
  return out;
}

std::optional<std::vector<PartInfo>> Client::Impl::parts_page(const std::string& key,
                                                              const std::string& id,
                                                              std::string& marker,
                                                              const std::stop_token& stop) {
  Call call{.verb = "list parts of", .key = key, .query = {{"uploadId", id}}};
  if (!marker.empty()) call.query.emplace_back("part-number-marker", marker);
  return retried(stop, [&]() -> std::optional<std::vector<PartInfo>> {
    const http::Response response = exchange(call, stop);
    if (response.status / 100 != 2) {
      const ServiceError error = service_error(response);
      if (no_such_upload(error)) return std::nullopt;
      throw failure(call, error, response);
    }
    const XmlNode page = document(call, response, "ListPartsResult");
    std::vector<PartInfo> parts;
    for (const XmlNode& node : page.children) {
      if (node.name != "Part") continue;
      const std::uint64_t number = number_of(node, "PartNumber", "the list of parts");
      if (number < 1 || number > kMaxParts) throw nonsense(call, "a part has an impossible number");
      parts.push_back({.number = static_cast<int>(number),
                       .size = number_of(node, "Size", "the list of parts"),
                       .etag = node.get("ETag"),
                       .checksum = stated_checksum(node)});
    }
    const std::string next =
        page.get("IsTruncated") == "true" ? page.get("NextPartNumberMarker") : "";
    if (page.get("IsTruncated") == "true" && (next.empty() || next == marker))
      throw nonsense(call, "the list is cut off and does not say how it goes on");
    marker = next;
    return parts;
  });
}

std::optional<std::vector<PartInfo>> Client::list_parts(const std::string& key,
                                                        const std::string& id,
                                                        const std::stop_token& stop) {
  check_key(key);
  std::vector<PartInfo> out;
  std::string marker;
  do {
    const auto page = impl_->parts_page(key, id, marker, stop);
    if (!page) return std::nullopt;
    out.insert(out.end(), page->begin(), page->end());
  } while (!marker.empty() && out.size() <= kMaxParts);
  std::sort(out.begin(), out.end(),
            [](const PartInfo& a, const PartInfo& b) { return a.number < b.number; });
  return out;
}

PutResult Client::complete_upload(const std::string& key, const std::string& id,
                                  const std::vector<PartInfo>& parts,
                                  const CompleteOptions& options, const std::stop_token& stop) {
  check_key(key);
  const std::string body = complete_body(parts, options.checksum || options.name_checksums);
  Call call{.method = "POST",
            .verb = "complete",
            .key = key,
            .query = {{"uploadId", id}},
            .body = as_bytes(body),
            .repeatable = false,
            .patience = impl_->options.patience};
  call.headers.set("Content-Type", "application/xml");
  if (options.if_none_match) call.headers.set("If-None-Match", "*");
  if (!options.if_match.empty()) call.headers.set("If-Match", options.if_match);
  if (options.checksum) {
    call.headers.set(checksum_header(options.checksum->kind), checksum_text(*options.checksum));
    call.headers.set("x-amz-checksum-type", kFullObject);
  }
  if (options.object_size)
    call.headers.set("x-amz-mp-object-size", std::to_string(*options.object_size));
  try {
    const http::Response response = impl_->succeed(call, stop);
    const XmlNode result = impl_->document(call, response, "CompleteMultipartUploadResult");
    PutResult out{result.get("ETag"), std::nullopt, "",
                  response.headers.get("x-amz-version-id").value_or("")};
    if (result.get("ChecksumType") != kComposite) out.checksum = stated_checksum(result);
    for (const ChecksumKind kind : kChecksumKinds)
      if (std::string text = result.get(checksum_element(kind));
          text.find('-') != std::string::npos)
        out.composite = std::move(text);
    return out;
  } catch (const Error& e) {
    throw complete_error(e);
  }
}

void Client::abort_upload(const std::string& key, const std::string& id,
                          const std::stop_token& stop) {
  check_key(key);
  const Call call{
      .method = "DELETE", .verb = "abort upload of", .key = key, .query = {{"uploadId", id}}};
  for (int i = 0; i < kAborts; ++i) {
    const bool gone = impl_->retried(stop, [&] {
      const http::Response response = impl_->exchange(call, stop);
      const ServiceError error = service_error(response);
      if (response.status / 100 == 2) return false;
      if (no_such_upload(error)) return true;
      throw impl_->failure(call, error, response);
    });
    if (gone) return;
    try {
      std::string marker;
      const auto left = impl_->parts_page(key, id, marker, stop);
      if (!left || left->empty()) return;
    } catch (const Error& e) {
      // Whoever may abort need not be allowed to list.
      if (e.code() == Code::auth || e.code() == Code::unsupported) return;
      throw;
    }
  }
}

std::vector<UploadInfo> Client::list_uploads(const std::string& prefix,
                                             const std::stop_token& stop) {
  std::vector<UploadInfo> out;
  std::string key_marker, id_marker;
  while (true) {
    Call call{.verb = "list uploads in",
              .query = {{"uploads", ""}, {"encoding-type", "url"}, {"prefix", prefix}}};
    if (!key_marker.empty()) call.query.emplace_back("key-marker", key_marker);
    if (!id_marker.empty()) call.query.emplace_back("upload-id-marker", id_marker);
    const XmlNode page = impl_->retried(stop, [&] {
      return impl_->document(call, impl_->succeed(call, stop), "ListMultipartUploadsResult");
    });
    const bool encoded = page.get("EncodingType") == "url";
    for (const XmlNode& node : page.children)
      if (node.name == "Upload")
        out.push_back({.key = decode_listed(node.get("Key"), encoded),
                       .id = node.get("UploadId"),
                       .initiated = parse_rfc3339(node.get("Initiated"))});
    if (page.get("IsTruncated") != "true") break;
    const std::string next_key = decode_listed(page.get("NextKeyMarker"), encoded);
    const std::string next_id = page.get("NextUploadIdMarker");
    if (next_key.empty() || (next_key == key_marker && next_id == id_marker))
      throw impl_->nonsense(call, "the list is cut off and does not say how it goes on");
    key_marker = next_key;
    id_marker = next_id;
  }
  // Some services take the prefix for a whole key.
  std::erase_if(out, [&](const UploadInfo& upload) { return !upload.key.starts_with(prefix); });
  return out;
}

}  // namespace dray::s3
