// The floor: what carrying a repository costs when nothing but the carrying is done. Ranged GETs,
// SHA-256 of every file in order, multipart PUTs, all with libcurl; no journal, claims, signatures,
// retries or resuming. dray is measured against it.
//
//   bench_floor MANIFEST.json HUB_URL S3_PREFIX_URL [THREADS]
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "dray/base/bytes.h"
#include "dray/base/digest.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "plain_client.h"

namespace dray::bench {

namespace {

constexpr std::uint64_t kBlock = 8 * kMiB, kPart = 32 * kMiB;

struct File {
  std::string path, etag;  // the SHA-256 of weights, a git id of small files
  std::uint64_t size = 0;
  std::mutex mutex;  // guards all below
  std::condition_variable turn;
  Sha256 sha256;
  std::string upload;  // id; empty until begun
  std::vector<std::string> etags;
  std::uint64_t stored = 0;

  std::uint64_t parts() const { return (size + kPart - 1) / kPart; }
};

/// All parts of all files in order; threads take the next one, so that the part for which a file's
/// hash waits is always in somebody's hands.
class Carrier {
 public:
  Carrier(const Json& manifest, std::string hub, std::string s3) : s3_(std::move(s3)) {
    hub_ = std::move(hub) + "/" + get_string(manifest, "repo", "manifest") + "/resolve/" +
           get_string(manifest, "commit", "manifest") + "/";
    for (const Json& entry : get_array(manifest, "files", "manifest")) {
      File& file = files_.emplace_back();
      file.path = get_string(entry, "path", "manifest");
      file.etag = get_string(entry, "etag", "manifest");
      file.size = get_u64(entry, "size", "manifest");
      file.etags.resize(file.parts());
      for (std::uint64_t i = 0; i < file.parts(); ++i) jobs_.push_back({&file, i});
    }
  }

  void work() {
    Client client;
    std::vector<std::byte> buffer(kPart);
    try {
      for (std::size_t i = next_++; i < jobs_.size() && !failed_; i = next_++)
        carry(client, *jobs_[i].file, jobs_[i].part, buffer.data());
    } catch (const std::exception& e) {
      std::fprintf(stderr, "bench_floor: %s\n", e.what());
      failed_ = true;
      for (File& file : files_) {
        const std::lock_guard lock(file.mutex);
        file.turn.notify_all();
      }
    }
  }

  bool failed() const { return failed_; }

 private:
  struct Job {
    File* file;
    std::uint64_t part;
  };

  void carry(Client& client, File& file, std::uint64_t part, std::byte* buffer) {
    const ByteRange range{part * kPart, std::min(kPart, file.size - part * kPart)};
    for (std::uint64_t at = 0; at < range.length; at += kBlock)
      client.get(hub_ + file.path, {range.offset + at, std::min(kBlock, range.length - at)},
                 buffer + at);
    const Bytes bytes(buffer, range.length);
    hash(file, range.offset, bytes);
    const std::string url = s3_ + file.path;
    if (file.parts() == 1) {
      check(file);
      client.send("PUT", url, bytes);
      return;
    }
    const std::string id = begin(client, file, url);
    const std::string answer = client.send(
        "PUT", url + "?partNumber=" + std::to_string(part + 1) + "&uploadId=" + id, bytes);
    const std::lock_guard lock(file.mutex);
    file.etags[part] = between(answer, "ETag: ", "\r\n");
    if (++file.stored == file.parts()) complete(client, file, url, id);
  }

  void hash(File& file, std::uint64_t offset, Bytes bytes) {
    std::unique_lock lock(file.mutex);
    file.turn.wait(lock, [&] { return file.sha256.bytes_hashed() == offset || failed_; });
    if (failed_) throw std::runtime_error("given up");
    lock.unlock();  // it is this thread's turn until the hash has moved on
    Sha256 sha256 = file.sha256;
    sha256.update(bytes);
    lock.lock();
    file.sha256 = sha256;
    file.turn.notify_all();
  }

  static void check(File& file) {
    if (file.etag.size() == 64 && file.sha256.hex() != file.etag)
      throw std::runtime_error(file.path + " has another SHA-256");
  }

  static std::string begin(Client& client, File& file, const std::string& url) {
    const std::lock_guard lock(file.mutex);
    if (file.upload.empty())
      file.upload = between(client.send("POST", url + "?uploads", {}), "<UploadId>", "<");
    return file.upload;
  }

  static void complete(Client& client, File& file, const std::string& url, const std::string& id) {
    check(file);
    std::string xml = "<CompleteMultipartUpload>";
    for (std::size_t i = 0; i < file.etags.size(); ++i)
      xml += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + file.etags[i] +
             "</ETag></Part>";
    client.send("POST", url + "?uploadId=" + id, as_bytes(xml + "</CompleteMultipartUpload>"));
  }

  std::string hub_, s3_;
  std::deque<File> files_;
  std::vector<Job> jobs_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
};

int run(int argc, char** argv) {
  const auto text = read_file(argv[1]);
  if (!text) throw std::runtime_error("no manifest");
  curl_global_init(CURL_GLOBAL_DEFAULT);
  Carrier carrier(parse_json(*text, "manifest"), argv[2], argv[3]);
  {
    std::vector<std::jthread> threads;
    const int count = argc > 4 ? std::atoi(argv[4]) : 4;
    for (int i = 0; i < count; ++i) threads.emplace_back([&] { carrier.work(); });
  }
  return carrier.failed() ? 1 : 0;
}

}  // namespace

}  // namespace dray::bench

int main(int argc, char** argv) {
  if (argc < 4) return 64;
  try {
    return dray::bench::run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_floor: %s\n", e.what());
    return 1;
  }
}
