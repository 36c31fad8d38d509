// The S3 client against the S3 in memory: every operation as it should go.
#include "dray/s3/client.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/crc.h"
#include "tests/support/fake_s3.h"
#include "tests/support/random.h"
#include "tests/support/s3_client.h"

namespace dray::s3 {
namespace {

using test::FakeS3;
using test::FakeS3Options;
constexpr ChecksumKind kCrc64 = ChecksumKind::crc64nvme;

class S3Client : public ::testing::Test {
 protected:
  static FakeS3Options options() {
    FakeS3Options out;
    out.min_part_size = 1;
    out.page_size = 3;
    return out;
  }
  void SetUp() override { fake_.make_bucket("models"); }

  FakeS3 fake_{options()};
  Client client_{test::s3_options(fake_, "models")};
};

/// Names that break a careless signer, URL or list.
const std::vector<std::string> kOddKeys{
    "plain.bin",      "a b/c  d",   "plus+and space",       "modèle/模型.safetensors",
    "double//slash",  "x/../y/./z", "k=v&w;x:y@z!$'()*,[]", "100%25/%2F",
    "quote\"<tag>&'", "~tilde_-.",  "back\\slash",          "a/",
};

TEST_F(S3Client, OddKeysGoThereAndBack) {
  for (const std::string& key : kOddKeys) {
    SCOPED_TRACE(key);
    const PutResult put = client_.put_object(key, as_bytes("content of " + key));
    EXPECT_EQ(fake_.object("models", key)->content, "content of " + key);
    const auto body = client_.get_object(key, 1000);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->content, "content of " + key);
    const auto info = client_.head_object(key);
    ASSERT_TRUE(info);
    EXPECT_EQ(info->etag, put.etag);
    EXPECT_EQ(info->size, body->content.size());
    EXPECT_EQ(info->checksum, checksum_of(kCrc64, as_bytes(body->content)));
  }
  std::vector<std::string> listed;
  for (const ObjectInfo& object : client_.list({}).objects) listed.push_back(object.key);
  std::vector<std::string> expected = kOddKeys;
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(listed, expected);  // over several pages
  client_.delete_objects(kOddKeys);
  EXPECT_TRUE(fake_.objects("models").empty());
}

TEST_F(S3Client, AbsentIsNotAnErrorWhereItIsAskedFor) {
  EXPECT_EQ(client_.head_object("no"), std::nullopt);
  EXPECT_FALSE(client_.get_object("no", 10).has_value());
  EXPECT_NO_THROW(client_.delete_object("no"));
  EXPECT_NO_THROW(client_.abort_upload("no", "id000009+/="));
  EXPECT_FALSE(client_.list_parts("no", "id000009+/=").has_value());
}

TEST_F(S3Client, MetadataOfAnyTextComesBack) {
  const Metadata metadata{{"dray-sha256", "abc"},
                          {"name", "modèle 模型"},
                          {"spaces", "  two  "},
                          {"empty", ""},
                          {"looks-encoded", "=?UTF-8?B?aGk=?="}};
  PutOptions put;
  put.content_type = "text/x-test";
  put.metadata = metadata;
  client_.put_object("k", as_bytes("x"), put);
  auto info = client_.head_object("k");
  ASSERT_TRUE(info);
  Metadata got = info->metadata;
  Metadata want = metadata;
  std::sort(got.begin(), got.end());
  std::sort(want.begin(), want.end());
  EXPECT_EQ(got, want);
  EXPECT_EQ(info->content_type, "text/x-test");
  EXPECT_TRUE(info->last_modified.has_value());
  EXPECT_TRUE(info->server_time.has_value());
  put.metadata = {{"Upper", "x"}};
  EXPECT_THROW(client_.put_object("k", as_bytes("x"), put), Error);
}

TEST_F(S3Client, RangesFillTheBufferAndPinTheObject) {
  const Buffer content = test::pattern(100'000, 1);
  const std::string etag = client_.put_object("k", content).etag;
  Buffer out(40'000);
  client_.get_range("k", etag, 12'345, out);
  EXPECT_TRUE(std::equal(out.begin(), out.end(), content.begin() + 12'345));
  client_.put_object("k", as_bytes(std::string(100'000, 'z')));
  try {
    client_.get_range("k", etag, 0, out);
    FAIL() << "another object was read";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::precondition);
    EXPECT_FALSE(e.retryable());
  }
  EXPECT_THROW(client_.get_range("k", "", 99'999, out), Error);  // beyond the end
  EXPECT_THROW(client_.get_range("none", "", 0, out), Error);
}

TEST_F(S3Client, RangeHeaderIsSigned) {
  client_.put_object("k", as_bytes("0123456789"));
  Buffer out(4);
  client_.get_range("k", "", 2, out);
  EXPECT_EQ(as_text(out), "2345");
  const auto requests = fake_.server().requests();
  EXPECT_NE(requests.back().header("authorization").find("host;range;x-amz"), std::string::npos);
}

TEST_F(S3Client, ConditionsOfPut) {
  PutOptions create;
  create.if_none_match = true;
  const std::string etag = client_.put_object("k", as_bytes("one"), create).etag;
  try {
    client_.put_object("k", as_bytes("two"), create);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::precondition);
    EXPECT_EQ(e.server_code(), "PreconditionFailed");
  }
  PutOptions replace;
  replace.if_match = etag;
  EXPECT_NO_THROW(client_.put_object("k", as_bytes("two"), replace));
  EXPECT_THROW(client_.put_object("k", as_bytes("three"), replace), Error);
  EXPECT_EQ(fake_.object("models", "k")->content, "two");
}

TEST_F(S3Client, ChecksumsTravelWithTheBytes) {
  const Buffer content = test::pattern(5'000, 2);
  PutOptions put;
  put.checksum = checksum_of(kCrc64, content);
  put.content_md5 = true;
  EXPECT_EQ(client_.put_object("k", content, put).checksum, put.checksum);
  ++put.checksum->value;
  try {
    client_.put_object("k2", content, put);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::verification);
    EXPECT_TRUE(e.retryable());  // the caller hashes its buffer again, then sends it again
  }
  EXPECT_FALSE(fake_.object("models", "k2"));
}

TEST_F(S3Client, ListsWithDelimiterPagesAndLimits) {
  for (const char* key : {"a/1", "a/2", "b", "c/d/1", "c/e", "z"}) fake_.put("models", key, "x");
  ListQuery names;
  names.delimiter = "/";
  const ListResult top = client_.list(names);
  EXPECT_EQ(top.prefixes, (std::vector<std::string>{"a/", "c/"}));
  ASSERT_EQ(top.objects.size(), 2U);
  EXPECT_EQ(top.objects[0].key, "b");
  EXPECT_TRUE(top.server_time.has_value());
  names.prefix = "c/";
  EXPECT_EQ(client_.list(names).prefixes, std::vector<std::string>{"c/d/"});
  ListQuery some;
  some.start_after = "a/2";
  some.limit = 1;
  const auto objects = client_.list(some).objects;
  ASSERT_GE(objects.size(), 1U);
  EXPECT_EQ(objects[0].key, "b");
  EXPECT_TRUE(client_.list({.prefix = "nothing"}).objects.empty());
}

TEST_F(S3Client, MultipartFromBeginToEnd) {
  const std::string key = "dir/模型 1+2.bin";
  CreateOptions create;
  create.checksum = kCrc64;
  create.metadata = {{"dray-sha256", "abc"}};
  const std::string id = client_.create_upload(key, create);
  const Buffer content = test::pattern(70'001, 3);
  std::vector<PartInfo> parts;
  std::uint64_t crc = 0;
  for (int n = 1; n <= 8; ++n) {
    const std::size_t from = static_cast<std::size_t>(n - 1) * 10'000;
    const Bytes piece = Bytes(content).subspan(from, std::min<std::size_t>(10'000, 70'001 - from));
    PartOptions options;
    options.checksum = checksum_of(kCrc64, piece);
    options.content_md5 = n % 2 == 0;
    parts.push_back(client_.upload_part(key, id, n, piece, options));
    crc = crc64nvme(crc, piece);
    EXPECT_EQ(parts.back().checksum, options.checksum);
  }
  const auto listed = client_.list_parts(key, id);  // three a page
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 8U);
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_EQ((*listed)[i].etag, parts[i].etag);
    EXPECT_EQ((*listed)[i].size, parts[i].size);
    EXPECT_EQ((*listed)[i].checksum, parts[i].checksum);
  }
  CompleteOptions complete;
  complete.checksum = {kCrc64, crc};
  complete.object_size = content.size();
  complete.if_none_match = true;
  const PutResult done = client_.complete_upload(key, id, parts, complete);
  EXPECT_TRUE(done.etag.ends_with("-8\""));
  EXPECT_EQ(done.checksum, complete.checksum);
  const auto info = client_.head_object(key);
  ASSERT_TRUE(info);
  EXPECT_EQ(info->etag, done.etag);
  EXPECT_EQ(info->size, content.size());
  EXPECT_EQ(info->metadata, create.metadata);
  EXPECT_EQ(fake_.object("models", key)->content, as_text(content));
  EXPECT_TRUE(fake_.uploads("models").empty());
}

TEST_F(S3Client, UploadsAreListedOverPagesAndAborted) {
  std::vector<std::string> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(client_.create_upload("p/" + std::to_string(i / 3)));
  client_.create_upload("q/other one");
  const auto uploads = client_.list_uploads("p/");
  ASSERT_EQ(uploads.size(), 8U);
  EXPECT_TRUE(uploads[0].initiated.has_value());
  const auto other = client_.list_uploads("q/");
  ASSERT_EQ(other.size(), 1U);
  EXPECT_EQ(other[0].key, "q/other one");
  for (const UploadInfo& upload : uploads) client_.abort_upload(upload.key, upload.id);
  EXPECT_EQ(fake_.uploads("models").size(), 1U);
}

TEST_F(S3Client, AbortGoesOnWhilePartsStillLand) {
  const std::string id = client_.create_upload("k");
  int aborts = 0;
  fake_.before([&](const test::RawRequest&, const std::string& op,
                   int n) -> std::optional<test::RawResponse> {
    if (op != "AbortMultipartUpload") return std::nullopt;
    ++aborts;
    if (n == 1) return test::RawResponse{.status = 204};  // a part in flight keeps it alive
    return std::nullopt;
  });
  client_.upload_part("k", id, 1, as_bytes("late"));
  client_.abort_upload("k", id);
  EXPECT_EQ(aborts, 2);
  EXPECT_TRUE(fake_.uploads("models").empty());
}

TEST_F(S3Client, CopiesWholeObjectsAndRanges) {
  const Buffer content = test::pattern(30'000, 4);
  PutOptions put;
  put.metadata = {{"origin", "x"}};
  const std::string etag = client_.put_object("from +/é", content, put).etag;
  CopyOptions copy;
  copy.source_key = "from +/é";
  copy.source_etag = etag;
  EXPECT_EQ(client_.copy_object("to", copy).etag, etag);
  EXPECT_EQ(client_.head_object("to")->metadata, put.metadata);
  copy.replace_metadata = true;
  copy.metadata = {{"origin", "y"}};
  client_.copy_object("to2", copy);
  EXPECT_EQ(client_.head_object("to2")->metadata, copy.metadata);
  copy.if_none_match = true;
  EXPECT_THROW(client_.copy_object("to2", copy), Error);

  const std::string id = client_.create_upload("joined");
  CopyOptions range{
      .source_key = "from +/é", .source_etag = etag, .range = ByteRange{10'000, 5'000}};
  std::vector<PartInfo> parts;
  parts.push_back(client_.upload_part_copy("joined", id, 1, range));
  EXPECT_EQ(parts[0].size, 5'000U);
  EXPECT_EQ(parts[0].checksum, checksum_of(kCrc64, Bytes(content).subspan(10'000, 5'000)));
  parts.push_back(client_.upload_part("joined", id, 2, as_bytes("tail")));
  client_.complete_upload("joined", id, parts);
  EXPECT_EQ(fake_.object("models", "joined")->content,
            std::string(as_text(Bytes(content).subspan(10'000, 5'000))) + "tail");
  range.source_etag = "\"0123456789abcdef0123456789abcdef\"";
  const std::string again = client_.create_upload("joined");
  try {
    client_.upload_part_copy("joined", again, 1, range);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::precondition);
  }
}

TEST_F(S3Client, PartNumbersAndKeysAreCheckedBeforeAnythingIsSent) {
  const std::size_t before = fake_.operations().size();
  for (const int number : {0, -1, 10'001})
    EXPECT_THROW(client_.upload_part("k", "id", number, as_bytes("x")), Error);
  EXPECT_THROW(client_.put_object("", as_bytes("x")), Error);
  EXPECT_THROW(client_.put_object(std::string(1025, 'k'), as_bytes("x")), Error);
  EXPECT_THROW(client_.put_object("bad\xff", as_bytes("x")), Error);
  const std::vector<PartInfo> unordered{{.number = 2, .size = 1, .etag = "b"},
                                        {.number = 1, .size = 1, .etag = "a"}};
  EXPECT_THROW(client_.complete_upload("k", "id", unordered), Error);
  EXPECT_EQ(fake_.operations().size(), before);
}

TEST_F(S3Client, VirtualHostsReachTheSameBucket) {
  client_.put_object("a/b c", as_bytes("hello"));
  ClientOptions options = test::s3_options(fake_, "models");
  options.endpoint.url.host = "localhost";
  options.endpoint.addressing = Addressing::virtual_host;
  Client other(options);
  EXPECT_EQ(other.get_object("a/b c", 100)->content, "hello");
  EXPECT_EQ(fake_.server().requests().back().header("host"),
            "models.localhost:" + std::to_string(fake_.port()));
  EXPECT_EQ(other.list({}).objects.size(), 1U);
}

TEST_F(S3Client, BucketsAreMadeOnceAndHeadGivesTheRegion) {
  Client fresh(test::s3_options(fake_, "fresh-bucket"));
  try {
    fresh.head_bucket();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::not_found);
    EXPECT_FALSE(e.hint().empty());
  }
  fresh.create_bucket();
  fresh.create_bucket();
  EXPECT_EQ(fresh.head_bucket(), "us-east-1");
}

TEST_F(S3Client, PresignedUrlsAreAcceptedAndEndWithTheToken) {
  client_.put_object("dir/a b+c", as_bytes("shared"));
  const std::string url = client_.presign_get("dir/a b+c", std::chrono::hours(1));
  http::Client plain;
  const http::Response response = plain.send({.url = http::parse_url(url)});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "shared");

  Credentials credentials{"AKIDEXAMPLE", Secret("s"), Secret("t"), unix_now() + 700, "test"};
  ClientOptions options = test::s3_options(fake_, "models");
  options.credentials = std::make_shared<CredentialsProvider>(std::vector<CredentialSource>{
      [credentials](const std::stop_token&) { return std::optional(credentials); }});
  const std::string shorter = Client(options).presign_get("k", std::chrono::hours(24 * 6));
  for (const auto& [name, value] : http::parse_query(http::parse_url(shorter).query)) {
    if (name == "X-Amz-Expires") {
      EXPECT_LE(std::stoi(value), 700);
    }
  }
}

TEST_F(S3Client, ManyThreadsShareOneClient) {
  std::vector<std::jthread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5; ++i) {
        const std::string key = "t" + std::to_string(t) + "/" + std::to_string(i);
        client_.put_object(key, as_bytes(key));
        if (client_.get_object(key, 100)->content == key) ++good;
      }
    });
  threads.clear();
  EXPECT_EQ(good, 40);
}

TEST_F(S3Client, StrictAboutTheBodyOfPresentObjects) {
  fake_.put("models", "k", "content");
  EXPECT_THROW(client_.get_object("k", 3), Error);  // over the limit
  fake_.after([](const test::RawRequest&, const std::string& op, int, test::RawResponse& response) {
    if (op == "GetObject") response.flip_at = 2;
  });
  try {
    client_.get_object("k", 100);
    FAIL() << "flipped byte accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::verification);
  }
}

}  // namespace
}  // namespace dray::s3
