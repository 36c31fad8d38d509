// Objects: read, written, copied, deleted, listed.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "dray/base/digest.h"
#include "dray/s3/client_impl.h"

namespace dray::s3 {

namespace {

constexpr std::size_t kDeleteBatch = 1000;
constexpr const char* kNamespace = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

Call get_call(const std::string& key, const std::string& etag) {
  check_key(key);
  Call call{.verb = "read", .key = key};
  call.headers.set("x-amz-checksum-mode", "ENABLED");
  if (!etag.empty()) call.headers.set("If-Match", etag);
  return call;
}

ObjectInfo listed_object(const XmlNode& node, bool encoded) {
  ObjectInfo out;
  out.key = decode_listed(node.get("Key"), encoded);
  out.size = number_of(node, "Size", "the list of objects");
  out.etag = node.get("ETag");
  out.last_modified = parse_rfc3339(node.get("LastModified"));
  return out;
}

Query list_query(const ListQuery& query, const std::string& token) {
  Query out{{"list-type", "2"},
            {"encoding-type", "url"},
            {"max-keys", std::to_string(query.page_size)},
            {"prefix", query.prefix}};
  if (!query.delimiter.empty()) out.emplace_back("delimiter", query.delimiter);
  if (!token.empty())
    out.emplace_back("continuation-token", token);
  else if (!query.start_after.empty())
    out.emplace_back("start-after", query.start_after);
  return out;
}

/// The keys of a batch that are still there; "" if none.
std::string delete_problem(const XmlNode& result, std::size_t& count) {
  std::string first;
  for (const XmlNode& node : result.children) {
    if (node.name != "Error" || node.get("Code") == "NoSuchKey") continue;
    if (count++ == 0) first = node.get("Key") + " (" + node.get("Code") + ")";
  }
  return first;
}

}  // namespace

std::optional<ObjectInfo> Client::head_object(const std::string& key, const std::stop_token& stop) {
  Call call = get_call(key, "");
  call.method = "HEAD";
  call.verb = "look at";
  return impl_->retried(stop, [&]() -> std::optional<ObjectInfo> {
    const http::Response response = impl_->exchange(call, stop);
    if (response.status == 404) return std::nullopt;
    if (response.status / 100 != 2) throw impl_->failure(call, service_error(response), response);
    ObjectInfo out = object_of(key, response.headers);
    const auto size = parse_u64(response.headers.get("content-length").value_or(""));
    if (!size) throw impl_->nonsense(call, "the answer does not state the object's size");
    out.size = *size;
    return out;
  });
}

void Client::get_range(const std::string& key, const std::string& etag, std::uint64_t offset,
                       MutableBytes out, const std::stop_token& stop) {
  if (out.empty()) return;
  Call call = get_call(key, etag);
  call.headers.remove("x-amz-checksum-mode");
  const http::RangeInto into{.range = {offset, out.size()}, .out = out, .total = std::nullopt};
  call.into = &into;
  const http::Response response = impl_->succeed(call, stop);
  if (response.status == 206) return;
  throw Error(Code::unsupported, "the service ignores the Range header")
      .on("read", uri(key))
      .from(impl_->options.side)
      .http(response.status, "", http::request_id(response.headers));
}

std::optional<Client::Body> Client::get_object(const std::string& key, std::uint64_t limit,
                                               const std::stop_token& stop) {
  Call call = get_call(key, "");
  call.limit = limit;
  return impl_->retried(stop, [&]() -> std::optional<Body> {
    http::Response response = impl_->exchange(call, stop);
    if (response.status / 100 != 2) {
      const ServiceError error = service_error(response);
      if (error.code == "NoSuchKey") return std::nullopt;
      throw impl_->failure(call, error, response);
    }
    Body out;
    out.info = object_of(key, response.headers);
    out.content = std::move(response.body);
    out.info.size = out.content.size();
    const std::optional<Checksum>& stored = out.info.checksum;
    if (stored && checksum_of(stored->kind, as_bytes(out.content)) != *stored)
      throw Error(Code::verification, "the content does not have the checksum that is stored")
          .on("read", uri(key))
          .from(impl_->options.side)
          .transient();
    return out;
  });
}

PutResult Client::put_object(const std::string& key, Bytes body, const PutOptions& options,
                             const std::stop_token& stop) {
  check_key(key);
  Call call{.method = "PUT", .verb = "write", .key = key, .body = body, .sign_body = false};
  call.repeatable = !options.if_none_match && options.if_match.empty();
  add_metadata(call.headers, options.content_type, options.metadata, options.headers);
  if (options.if_none_match) call.headers.set("If-None-Match", "*");
  if (!options.if_match.empty()) call.headers.set("If-Match", options.if_match);
  if (options.checksum)
    call.headers.set(checksum_header(options.checksum->kind), checksum_text(*options.checksum));
  if (options.content_md5) call.headers.set("Content-MD5", to_base64(md5(body)));
  const http::Response response = impl_->succeed(call, stop);
  PutResult out{impl_->required_etag(call, response), stated_checksum(response.headers), "",
                response.headers.get("x-amz-version-id").value_or("")};
  if (contradict(options.checksum, out.checksum))
    throw Error(Code::verification, "the service stored other bytes: its checksum differs")
        .on("write", uri(key))
        .from(impl_->options.side)
        .transient();
  return out;
}

PutResult Client::copy_object(const std::string& key, const CopyOptions& copy,
                              const std::stop_token& stop) {
  check_key(key);
  check_key(copy.source_key);
  Call call{.method = "PUT", .verb = "copy to", .key = key};
  call.repeatable = !copy.if_none_match;
  call.patience = impl_->options.patience;
  call.headers.set("x-amz-copy-source",
                   encode_path((copy.source_bucket.empty() ? bucket() : copy.source_bucket) + "/" +
                               copy.source_key));
  if (!copy.source_etag.empty()) call.headers.set("x-amz-copy-source-if-match", copy.source_etag);
  if (copy.if_none_match) call.headers.set("If-None-Match", "*");
  if (copy.replace_metadata) {
    call.headers.set("x-amz-metadata-directive", "REPLACE");
    add_metadata(call.headers, copy.content_type, copy.metadata, copy.headers);
  } else {
    for (const auto& [name, value] : copy.headers) call.headers.set(name, value);
  }
  const http::Response response = impl_->succeed(call, stop);
  const XmlNode result = impl_->document(call, response, "CopyObjectResult");
  if (result.get("ETag").empty()) throw impl_->nonsense(call, "the answer has no ETag");
  return {result.get("ETag"), stated_checksum(result), "",
          response.headers.get("x-amz-version-id").value_or("")};
}

void Client::delete_object(const std::string& key, const std::stop_token& stop) {
  check_key(key);
  const Call call{.method = "DELETE", .verb = "delete", .key = key};
  impl_->retried(stop, [&] {
    const http::Response response = impl_->exchange(call, stop);
    const ServiceError error = service_error(response);
    if (response.status / 100 != 2 && error.code != "NoSuchKey")
      throw impl_->failure(call, error, response);
  });
}

void Client::delete_objects(const std::vector<std::string>& keys, const std::stop_token& stop) {
  std::size_t failed = 0;
  std::string first;
  for (std::size_t at = 0; at < keys.size(); at += kDeleteBatch) {
    std::string body = fmt::format("<Delete {}><Quiet>true</Quiet>", kNamespace);
    for (std::size_t i = at; i < std::min(keys.size(), at + kDeleteBatch); ++i) {
      check_key(keys[i]);
      body += "<Object><Key>" + xml_escape(keys[i]) + "</Key></Object>";
    }
    body += "</Delete>";
    Call call{.method = "POST",
              .verb = "delete objects in",
              .query = {{"delete", ""}},
              .body = as_bytes(body)};
    call.headers.set("Content-Type", "application/xml");
    call.headers.set("Content-MD5", to_base64(md5(call.body)));
    const XmlNode result = impl_->retried(
        stop, [&] { return impl_->document(call, impl_->succeed(call, stop), "DeleteResult"); });
    const std::string problem = delete_problem(result, failed);
    if (first.empty()) first = problem;
  }
  if (failed != 0)
    throw Error(Code::partial, fmt::format("{} of {} objects could not be deleted, the first: {}",
                                           failed, keys.size(), first))
        .on("delete objects in", uri(""))
        .from(impl_->options.side);
}

ListResult Client::list(const ListQuery& query, const std::stop_token& stop) {
  ListResult out;
  std::string token;
  while (true) {
    const Call call{.verb = "list", .query = list_query(query, token)};
    http::Response response;
    const XmlNode page = impl_->retried(stop, [&] {
      response = impl_->succeed(call, stop);
      return impl_->document(call, response, "ListBucketResult");
    });
    const bool encoded = page.get("EncodingType") == "url";
    for (const XmlNode& node : page.children) {
      if (node.name == "Contents")
        out.objects.push_back(listed_object(node, encoded));
      else if (node.name == "CommonPrefixes")
        out.prefixes.push_back(decode_listed(node.get("Prefix"), encoded));
    }
    out.server_time = parse_http_date(response.headers.get("date").value_or(""));
    if (page.get("IsTruncated") != "true") return out;
    if (query.limit != 0 && out.objects.size() + out.prefixes.size() >= query.limit) return out;
    const std::string next = page.get("NextContinuationToken");
    if (next.empty() || next == token)
      throw impl_->nonsense(call, "the list is cut off and does not say how it goes on");
    token = next;
  }
}

}  // namespace dray::s3
