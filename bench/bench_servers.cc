// The two ends of a benchmark in one process: a Hub that gives the files of a folder, and an S3
// that keeps small objects and drops the rest. Both on loopback and as cheap as a server can be.
//
//   bench_servers MANIFEST.json      prints {"hub": PORT, "s3": PORT}; ends when stdin is closed
//
// The manifest (made by run.py) holds "repo", "commit", "root", "info" and "tree" (the Hub's two
// answers about the repository) and "files": [{"path", "size", "etag"}].
#include <fcntl.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <vector>

#include "dray/base/crc.h"
#include "dray/base/digest.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/base/time.h"
#include "dray/store/multipart_etag.h"
#include "plain_http.h"

namespace dray::bench {

namespace {

constexpr std::uint64_t kKept = kMiB;  // bodies up to here are kept and checked

// The Hub.

class Hub {
 public:
  explicit Hub(const Json& manifest)
      : api_("/api/models/" + get_string(manifest, "repo", "manifest")),
        commit_(get_string(manifest, "commit", "manifest")),
        info_(dump_json(manifest.at("info"))),
        tree_(dump_json(manifest.at("tree"))) {
    const std::string root = get_string(manifest, "root", "manifest");
    const std::string place =
        "/" + get_string(manifest, "repo", "manifest") + "/resolve/" + commit_ + "/";
    for (const Json& entry : get_array(manifest, "files", "manifest")) {
      const std::string path = get_string(entry, "path", "manifest");
      File file{open((root + "/" + path).c_str(), O_RDONLY | O_CLOEXEC),
                get_u64(entry, "size", "manifest"), get_string(entry, "etag", "manifest")};
      if (file.descriptor < 0) throw std::runtime_error("cannot open " + path);
      files_[place + path] = std::move(file);
    }
  }

  void handle(Connection& connection, const Request& request) const {
    const std::string pinned = "X-Repo-Commit: " + commit_ + "\r\n";
    if (request.path.starts_with(api_)) {
      const bool tree = request.path.starts_with(api_ + "/tree/");
      const std::string headers = pinned + "Content-Type: application/json\r\n";
      return connection.send({200, headers, tree ? tree_ : info_, std::nullopt});
    }
    const auto found = files_.find(request.path);
    if (found == files_.end())
      return connection.send({404, "X-Error-Code: EntryNotFound\r\n", "", std::nullopt});
    const File& file = found->second;
    std::string headers = pinned + "ETag: \"" + file.etag + "\"\r\nX-Linked-ETag: \"" + file.etag +
                          "\"\r\nX-Linked-Size: " + std::to_string(file.size) +
                          "\r\nAccept-Ranges: bytes\r\nContent-Type: application/octet-stream\r\n";
    if (request.method == "HEAD") return connection.send({200, headers, "", file.size});
    const std::string range = request.header("range");
    if (range.empty()) return connection.send_file(200, headers, file.descriptor, {0, file.size});
    const ByteRange part = parse_range(range, file.size);
    headers += "Content-Range: bytes " + std::to_string(part.offset) + "-" +
               std::to_string(part.end() - 1) + "/" + std::to_string(file.size) + "\r\n";
    connection.send_file(206, headers, file.descriptor, part);
  }

 private:
  struct File {
    int descriptor = -1;
    std::uint64_t size = 0;
    std::string etag;
  };

  static ByteRange parse_range(std::string_view text, std::uint64_t size) {
    if (!text.starts_with("bytes=")) throw std::runtime_error("a range in other units");
    text.remove_prefix(6);
    const auto dash = text.find('-');
    const auto from = parse_u64(text.substr(0, dash));
    if (dash == text.npos || !from || *from >= size) throw std::runtime_error("a foreign range");
    const auto last = std::min(parse_u64(text.substr(dash + 1)).value_or(size - 1), size - 1);
    return {*from, last + 1 - *from};
  }

  const std::string api_, commit_, info_, tree_;
  std::map<std::string, File> files_;  // by path of the request
};

// The S3.

struct Object {
  std::uint64_t size = 0;
  std::string etag, headers, content;
  std::optional<std::uint64_t> crc64;
  bool dropped = false;
};
struct Upload {
  std::string key, headers;
  std::map<int, Object> parts;
};

std::string tag(const std::string& name, const std::string& value) {
  return "<" + name + ">" + value + "</" + name + ">";
}

Answer document(const std::string& name, const std::string& content) {
  return {200, "Content-Type: application/xml\r\n",
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + tag(name, content), std::nullopt};
}

Answer refusal(int status, const std::string& code) {
  Answer out = document("Error", tag("Code", code) + tag("Message", code));
  out.status = status;
  return out;
}

std::optional<std::uint64_t> stated_crc64(const Request& request) {
  const auto bytes = from_base64(request.header("x-amz-checksum-crc64nvme"));
  if (!bytes || bytes->size() != 8) return std::nullopt;
  std::uint64_t out = 0;
  for (const std::byte b : *bytes) out = out << 8 | std::to_integer<std::uint64_t>(b);
  return out;
}

std::string attributes(const Object& object) {
  std::string out = "ETag: \"" + object.etag + "\"\r\nLast-Modified: " + http_date(unix_now()) +
                    "\r\n" + object.headers;
  if (object.crc64)
    out += "x-amz-checksum-crc64nvme: " + crc64_header(*object.crc64) +
           "\r\nx-amz-checksum-type: FULL_OBJECT\r\n";
  return out;
}

std::string kept_headers(const Request& request) {
  std::string out;
  for (const auto& [name, value] : request.headers)
    if (name.starts_with("x-amz-meta-") || name == "content-type")
      out.append(name).append(": ").append(value).append("\r\n");
  return out;
}

class Sink {
 public:
  void handle(Connection& connection, const Request& request) {
    Answer answer;
    if (request.method == "PUT") {
      answer = put(connection, request);
    } else {
      const std::string body = connection.body(request);
      const std::lock_guard lock(mutex_);
      answer = other(request, body);
    }
    answer.headers += "Date: " + http_date(unix_now()) + "\r\nx-amz-request-id: BENCH\r\n";
    if (request.method == "HEAD" && !answer.length) answer.length = answer.body.size();
    connection.send(answer);
  }

 private:
  Answer put(Connection& connection, const Request& request) {
    if (!request.header("x-amz-copy-source").empty()) return refusal(501, "NotImplemented");
    Object object{request.length, "", kept_headers(request), "", stated_crc64(request), false};
    if (request.length <= kKept) {
      object.content = connection.body(request);
      const Bytes bytes = as_bytes(object.content);
      const auto digest = md5(bytes);
      const std::string stated = request.header("content-md5");
      const std::uint64_t crc64 = crc64nvme(0, bytes);
      if (object.crc64.value_or(crc64) != crc64 || (!stated.empty() && stated != to_base64(digest)))
        return refusal(400, "BadDigest");
      object.crc64 = crc64;
      object.etag = to_hex(digest);
    } else {
      connection.drop_body(request);
      object.dropped = true;
    }
    const std::lock_guard lock(mutex_);
    // What was dropped has a tag that is as long and as unique as an MD5.
    if (object.dropped) object.etag = to_hex(md5(as_bytes(std::to_string(++made_))));
    return store(request, std::move(object));
  }

  Answer store(const Request& request, Object object) {
    const std::string headers = attributes(object);
    if (!request.has("uploadId")) {
      if (!condition_holds(request)) return refusal(412, "PreconditionFailed");
      objects_[request.path] = std::move(object);
    } else {
      const auto upload = uploads_.find(request.arg("uploadId"));
      if (upload == uploads_.end()) return refusal(404, "NoSuchUpload");
      upload->second.parts[std::atoi(request.arg("partNumber").c_str())] = std::move(object);
    }
    return {200, headers, "", std::nullopt};
  }

  bool condition_holds(const Request& request) const {
    const auto there = objects_.find(request.path);
    if (request.header("if-none-match") == "*" && there != objects_.end()) return false;
    std::string wanted = request.header("if-match");
    std::erase(wanted, '"');
    return wanted.empty() || (there != objects_.end() && there->second.etag == wanted);
  }

  Answer other(const Request& request, const std::string& body) {
    const std::string& path = request.path;
    const bool bucket = std::count(path.begin(), path.end(), '/') == 1 || path.ends_with('/');
    if (request.method == "POST" && request.has("delete")) return remove_listed(path, body);
    if (request.method == "POST" && request.has("uploads")) return begin(request);
    if (request.method == "POST") return complete(request);
    if (request.method == "DELETE") {
      if (request.has("uploadId"))
        uploads_.erase(request.arg("uploadId"));
      else
        objects_.erase(path);
      return {204, "", "", std::nullopt};
    }
    if (request.has("uploadId")) return list_parts(request);
    if (request.has("uploads")) return list_uploads(path);
    if (bucket) return request.method == "HEAD" ? Answer{} : list(request);
    const auto found = objects_.find(path);
    if (found == objects_.end()) return refusal(404, "NoSuchKey");
    const Object& object = found->second;
    if (request.method == "HEAD") return {200, attributes(object), "", object.size};
    if (object.dropped) return refusal(501, "NotImplemented");
    return {200, attributes(object), object.content, std::nullopt};
  }

  Answer begin(const Request& request) {
    const std::string id = "upload-" + std::to_string(++made_);
    uploads_[id] = {request.path, kept_headers(request), {}};
    return document("InitiateMultipartUploadResult", tag("UploadId", id));
  }

  Answer complete(const Request& request) {
    const auto found = uploads_.find(request.arg("uploadId"));
    if (found == uploads_.end()) return refusal(404, "NoSuchUpload");
    if (!condition_holds(request)) return refusal(412, "PreconditionFailed");
    Object whole{0, "", found->second.headers, "", std::uint64_t{0}, true};
    std::vector<std::string> etags;
    for (const auto& [number, part] : found->second.parts) {
      whole.crc64 = whole.crc64 && part.crc64
                        ? std::optional(crc64nvme_combine(*whole.crc64, *part.crc64, part.size))
                        : std::nullopt;
      whole.size += part.size;
      etags.push_back(part.etag);
    }
    const auto stated = stated_crc64(request);
    if (stated && whole.crc64 && *stated != *whole.crc64) return refusal(400, "BadDigest");
    whole.etag = multipart_etag(etags).value_or("none");
    const std::string etag = tag("ETag", "&quot;" + whole.etag + "&quot;");
    objects_[request.path] = std::move(whole);
    uploads_.erase(found);
    return document("CompleteMultipartUploadResult", etag);
  }

  Answer remove_listed(std::string bucket, std::string_view xml) {
    if (!bucket.ends_with('/')) bucket += '/';
    for (auto at = xml.find("<Key>"); at != xml.npos; at = xml.find("<Key>", at)) {
      at += 5;
      objects_.erase(bucket + std::string(xml.substr(at, xml.find('<', at) - at)));
    }
    return document("DeleteResult", "");
  }

  /// Everything in one page: a benchmark has few keys.
  Answer list(const Request& request) const {
    std::string bucket = request.path, content, last;
    if (!bucket.ends_with('/')) bucket += '/';
    const std::string prefix = request.arg("prefix"), delimiter = request.arg("delimiter");
    for (auto it = objects_.lower_bound(bucket + prefix); it != objects_.end(); ++it) {
      if (!it->first.starts_with(bucket + prefix)) break;
      const std::string key = it->first.substr(bucket.size());
      if (key <= request.arg("start-after")) continue;
      const auto cut = delimiter.empty() ? key.npos : key.find(delimiter, prefix.size());
      if (cut == key.npos) {
        content += tag("Contents", tag("Key", http::percent_encode(key, true)) +
                                       tag("LastModified", rfc3339(unix_now())) +
                                       tag("ETag", "&quot;" + it->second.etag + "&quot;") +
                                       tag("Size", std::to_string(it->second.size)));
      } else if (const std::string common = key.substr(0, cut + delimiter.size()); common != last) {
        last = common;
        content += tag("CommonPrefixes", tag("Prefix", http::percent_encode(common, true)));
      }
    }
    return document("ListBucketResult",
                    tag("EncodingType", "url") + tag("IsTruncated", "false") + content);
  }

  Answer list_uploads(const std::string& bucket) const {
    std::string content;
    for (const auto& [id, upload] : uploads_)
      content += tag("Upload", tag("Key", upload.key.substr(bucket.size() + 1)) +
                                   tag("UploadId", id) + tag("Initiated", rfc3339(unix_now())));
    return document("ListMultipartUploadsResult", tag("IsTruncated", "false") + content);
  }

  Answer list_parts(const Request& request) const {
    const auto found = uploads_.find(request.arg("uploadId"));
    if (found == uploads_.end()) return refusal(404, "NoSuchUpload");
    std::string content;
    for (const auto& [number, part] : found->second.parts)
      content += tag("Part", tag("PartNumber", std::to_string(number)) +
                                 tag("ETag", "&quot;" + part.etag + "&quot;") +
                                 tag("Size", std::to_string(part.size)));
    return document("ListPartsResult", tag("IsTruncated", "false") + content);
  }

  std::mutex mutex_;                       // guards all below
  std::map<std::string, Object> objects_;  // by "/bucket/key"
  std::map<std::string, Upload> uploads_;
  std::uint64_t made_ = 0;
};

void run(const char* manifest_file) {
  const auto text = read_file(manifest_file, 64 * kMiB);
  if (!text) throw std::runtime_error("no manifest");
  const Hub hub(parse_json(*text, "manifest"));
  Sink sink;
  Listener hub_door, s3_door;
  std::printf("{\"hub\": %d, \"s3\": %d}\n", hub_door.port(), s3_door.port());
  std::fflush(stdout);
  const auto to_hub = [&](Connection& c, const Request& r) { hub.handle(c, r); };
  const auto to_sink = [&](Connection& c, const Request& r) { sink.handle(c, r); };
  std::thread([&] { hub_door.serve(to_hub); }).detach();
  std::thread([&] { s3_door.serve(to_sink); }).detach();
  while (std::getchar() != EOF) continue;
  std::_Exit(0);  // threads still use what is above
}

}  // namespace

}  // namespace dray::bench

int main(int argc, char** argv) {
  if (argc != 2) return 64;
  try {
    dray::bench::run(argv[1]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_servers: %s\n", e.what());
  }
  return 1;
}
