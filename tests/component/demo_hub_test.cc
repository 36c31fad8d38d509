// The demonstration's Hub over real sockets, read by dray's own client and by plain requests.
#include "dray/serve/demo_hub.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "dray/base/digest.h"
#include "dray/base/json.h"
#include "dray/http/client.h"
#include "dray/hub/client.h"
#include "dray/serve/demo_model.h"

namespace dray {
namespace {

/// One server for all tests: the first request for its listing takes a moment.
DemoHub& demo() {
  static DemoHub hub;
  return hub;
}

http::Response send(const std::string& path, const char* method = "GET",
                    const std::string& range = "") {
  http::Client client;
  http::Request request;
  request.method = method;
  request.url = http::parse_url(demo().url() + path);
  if (!range.empty()) request.headers.add("Range", range);
  return client.send(request);
}

std::string file_path(const std::string& path) {
  return "/" + DemoHub::repo() + "/resolve/main/" + path;
}

TEST(DemoHub, HeadStatesWhatTheGetWillSend) {
  for (const std::string path : {"config.json", "model-00001-of-00002.safetensors"}) {
    const auto head = send(file_path(path), "HEAD");
    ASSERT_EQ(head.status, 200);
    EXPECT_EQ(head.headers.get("X-Repo-Commit").value_or("").size(), 40U);
    const auto get = send(file_path(path));
    EXPECT_EQ(head.headers.get("Content-Length"), std::to_string(get.body.size()));
    const auto etag = http::bare_etag(head.headers.get("ETag").value_or(""));
    EXPECT_EQ(etag, etag.size() == 64 ? Sha256::hex_of(as_bytes(get.body))
                                      : GitBlobSha1::hex_of(as_bytes(get.body)));
  }
}

TEST(DemoHub, RangesAndTheirEnds) {
  const auto path = file_path("model-00002-of-00002.safetensors");
  const auto whole = send(path);
  const auto size = whole.body.size();
  const auto part = send(path, "GET", "bytes=1000003-1000050");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, whole.body.substr(1'000'003, 48));
  EXPECT_EQ(part.headers.get("Content-Range"), "bytes 1000003-1000050/" + std::to_string(size));
  const auto past = send(path, "GET", "bytes=" + std::to_string(size) + "-");
  EXPECT_EQ(past.status, 416);
  EXPECT_EQ(past.headers.get("Content-Range"), "bytes */" + std::to_string(size));
}

TEST(DemoHub, DraysOwnClientReadsTheModelAsItIs) {
  hub::ClientOptions options;
  options.endpoint = demo().url();
  hub::Client client(options);
  const auto info = client.info(DemoHub::repo(), "main", false, {});
  EXPECT_EQ(info.id, DemoHub::repo());
  EXPECT_EQ(info.license, "apache-2.0");
  ASSERT_EQ(info.commit.size(), 40U);

  const hub::Pin pin{.repo = DemoHub::repo(), .commit = info.commit};
  auto files = client.tree(pin, {}).value();
  std::sort(files.begin(), files.end(), [](auto& a, auto& b) { return a.path < b.path; });
  DemoModel model;
  const auto snapshot = model.snapshot({});
  ASSERT_EQ(files.size(), snapshot.files.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    const auto& expected = snapshot.files[i];
    EXPECT_EQ(files[i].path, expected.path);
    EXPECT_EQ(files[i].size, expected.size);
    EXPECT_EQ(files[i].sha256, expected.digests.sha256);
    EXPECT_EQ(files[i].git_sha1, expected.digests.git_sha1);
    // A range that ends with the file.
    const auto length = std::min<std::uint64_t>(expected.size, 70'001);
    Buffer got(static_cast<std::size_t>(length)), wanted(got.size());
    client.read(pin, files[i], expected.size - length, got, {});
    model.read(expected, expected.size - length, wanted, {});
    EXPECT_EQ(got, wanted) << expected.path;
  }
}

TEST(DemoHub, ErrorsCarryTheirCodeOverTheWire) {
  const auto missing = send(file_path("none.txt"), "HEAD");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(missing.headers.get("X-Error-Code"), "EntryNotFound");
  EXPECT_EQ(send("/api/models/no/such").headers.get("X-Error-Code"), "RepoNotFound");
}

}  // namespace
}  // namespace dray
