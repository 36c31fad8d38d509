// The S3 client against services that fail, lie or forget their answers.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <string>
#include <thread>
#include <vector>

#include "dray/base/crc.h"
#include "tests/component/s3_faults_fixture.h"

namespace dray::s3 {
namespace {

using test::FakeS3;
using test::FakeS3Options;
using test::RawRequest;
using test::RawResponse;

TEST_F(S3Faults, RequestsWithoutABodyAreRepeated) {
  const std::vector<std::pair<std::string, std::function<void()>>> operations{
      {"HeadBucket", [&] { client_.head_bucket(); }},
      {"HeadObject", [&] { EXPECT_TRUE(client_.head_object("there")); }},
      {"GetObject", [&] { EXPECT_TRUE(client_.get_object("there", 100)); }},
      {"ListObjectsV2", [&] { EXPECT_EQ(client_.list({}).objects.size(), 1U); }},
      {"CreateMultipartUpload", [&] { client_.create_upload("k"); }},
      {"ListMultipartUploads", [&] { client_.list_uploads(""); }},
      {"DeleteObject", [&] { client_.delete_object("gone"); }},
      {"DeleteObjects", [&] { client_.delete_objects({"gone"}); }},
  };
  for (const auto& [op, work] : operations) {
    SCOPED_TRACE(op);
    int before = fake_.count(op);
    fake_.fail(op, 503, "SlowDown", 2);
    work();
    EXPECT_EQ(fake_.count(op), before + 3);
    before = fake_.count(op);
    fake_.lose_answers(op, 1);
    work();
    EXPECT_EQ(fake_.count(op), before + 2);
  }
}

TEST_F(S3Faults, GivesUpWithTheLastAnswer) {
  fake_.fail("ListObjectsV2", 503, "SlowDown", 100);
  const Error e = error_of([&] { client_.list({}); });
  EXPECT_EQ(e.code(), Code::throttled);
  EXPECT_EQ(e.http_status(), 503);
  EXPECT_EQ(e.server_code(), "SlowDown");
  EXPECT_EQ(e.side(), Side::destination);
  EXPECT_EQ(e.object(), "s3://models");
  EXPECT_FALSE(e.request_id().empty());
  EXPECT_EQ(fake_.count("ListObjectsV2"), 4);
}

TEST_F(S3Faults, TimeoutsWithStatus400AreTransientAndOther400sAreNot) {
  fake_.fail("GetObject", 400, "RequestTimeout", 1);
  EXPECT_TRUE(client_.get_object("there", 100));
  EXPECT_EQ(fake_.count("GetObject"), 2);
  fake_.fail("GetObject", 400, "InvalidArgument", 1);
  EXPECT_THROW(client_.get_object("there", 100), Error);
  EXPECT_EQ(fake_.count("GetObject"), 3);
}

TEST_F(S3Faults, WaitsAsLongAsTheServiceAsks) {
  ClientOptions options = test::s3_options(fake_, "models");
  std::chrono::milliseconds longest{0};
  options.retry.on_retry = [&](const Error&, std::chrono::milliseconds wait) {
    longest = std::max(longest, wait);
  };
  fake_.before([](const RawRequest&, const std::string& op, int n) -> std::optional<RawResponse> {
    if (op != "ListObjectsV2" || n > 1) return std::nullopt;
    RawResponse busy = FakeS3::error(503, "SlowDown");
    busy.headers.emplace_back("Retry-After", "7");
    return busy;
  });
  Client(options).list({});
  EXPECT_GE(longest, std::chrono::seconds(7));
}

TEST_F(S3Faults, DataIsSentOnce) {
  fake_.fail("PutObject", 503, "SlowDown", 1);
  EXPECT_EQ(error_of([&] { client_.put_object("k", as_bytes("x")); }).retry(), Retry::yes);
  EXPECT_EQ(fake_.count("PutObject"), 1);
  const std::string id = client_.create_upload("k");
  fake_.fail("UploadPart", 500, "InternalError", 1);
  EXPECT_EQ(error_of([&] { client_.upload_part("k", id, 1, as_bytes("x")); }).retry(), Retry::yes);
  EXPECT_EQ(fake_.count("UploadPart"), 1);
}

TEST_F(S3Faults, LostAnswersToWritesAreTransientOrAmbiguous) {
  fake_.lose_answers("PutObject", 2);
  EXPECT_EQ(error_of([&] { client_.put_object("k", as_bytes("x")); }).retry(), Retry::yes);
  PutOptions create;
  create.if_none_match = true;
  EXPECT_EQ(error_of([&] { client_.put_object("k2", as_bytes("x"), create); }).retry(),
            Retry::ambiguous);
  EXPECT_TRUE(fake_.object("models", "k2"));
  const std::string id = client_.create_upload("k");
  fake_.lose_answers("UploadPart",
                     2);  // one may be sent again below, where a kept connection broke
  EXPECT_EQ(error_of([&] { client_.upload_part("k", id, 1, as_bytes("x")); }).retry(), Retry::yes);
}

TEST_F(S3Faults, LostAnswerToCompleteIsAmbiguousAndNotRepeated) {
  std::string id;
  const auto parts = one_part(id);
  fake_.lose_answers("CompleteMultipartUpload");
  EXPECT_EQ(error_of([&] { client_.complete_upload("new", id, parts); }).retry(), Retry::ambiguous);
  EXPECT_EQ(fake_.count("CompleteMultipartUpload"), 1);
  EXPECT_TRUE(fake_.object("models", "new"));
  // Amazon answers a second time; others have forgotten the upload.
  EXPECT_EQ(client_.complete_upload("new", id, parts).etag, fake_.object("models", "new")->etag);
  fake_.configure([](FakeS3Options& o) { o.complete_again = false; });
  EXPECT_EQ(error_of([&] { client_.complete_upload("new", id, parts); }).code(), Code::not_found);
}

TEST_F(S3Faults, GatewayTimeoutsOfCompleteAreAmbiguous) {
  for (const int status : {500, 502, 504}) {
    std::string id;
    const auto parts = one_part(id);
    rewrite("CompleteMultipartUpload", [status](RawResponse& r) {
      r = {.status = status, .headers = {{"Content-Type", "text/html"}}, .body = "<html>timeout"};
    });
    EXPECT_EQ(error_of([&] { client_.complete_upload("new", id, parts); }).retry(),
              Retry::ambiguous)
        << status;
  }
  std::string id;
  const auto parts = one_part(id);
  fake_.after({});
  fake_.fail("CompleteMultipartUpload", 503, "SlowDown");
  EXPECT_EQ(error_of([&] { client_.complete_upload("new", id, parts); }).retry(), Retry::yes);
}

TEST_F(S3Faults, SuccessWithAnErrorInsideIsAnError) {
  std::string id;
  const auto parts = one_part(id);
  const auto inside = [](const std::string& code) {
    RawResponse out = FakeS3::error(500, code);
    out.status = 200;
    out.body.insert(0, "   \n  \n");
    return out;
  };
  const auto answer = [&](const std::string& op, const std::string& code) {
    fake_.before([=](const RawRequest&, const std::string& which, int) {
      return which == op ? std::optional(inside(code)) : std::nullopt;
    });
  };
  answer("CompleteMultipartUpload", "InternalError");
  Error e = error_of([&] { client_.complete_upload("new", id, parts); });
  EXPECT_EQ(e.code(), Code::server);
  EXPECT_TRUE(e.retryable());
  EXPECT_EQ(e.server_code(), "InternalError");
  answer("CompleteMultipartUpload", "AccessDenied");
  e = error_of([&] { client_.complete_upload("new", id, parts); });
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_FALSE(e.retryable());
  answer("CopyObject", "SlowDown");
  EXPECT_EQ(error_of([&] { client_.copy_object("to", {.source_key = "there"}); }).code(),
            Code::throttled);
  answer("UploadPartCopy", "InternalError");
  EXPECT_EQ(
      error_of([&] { client_.upload_part_copy("new", id, 2, {.source_key = "there"}); }).code(),
      Code::server);
  EXPECT_FALSE(fake_.object("models", "new"));
  EXPECT_FALSE(fake_.object("models", "to"));
}

TEST_F(S3Faults, WhiteSpaceThatKeepsConnectionsAliveIsSkipped) {
  fake_.configure([](FakeS3Options& o) { o.keep_alive = std::string(5000, ' ') + "\n"; });
  std::string id;
  const auto parts = one_part(id);
  EXPECT_FALSE(client_.complete_upload("new", id, parts).etag.empty());
  EXPECT_FALSE(client_.copy_object("to", {.source_key = "there"}).etag.empty());
  rewrite("CopyObject", [](RawResponse& r) { r.body.insert(0, std::string(5000, '\n')); });
  EXPECT_FALSE(client_.copy_object("to", {.source_key = "there"}).etag.empty());
}

TEST_F(S3Faults, AnswersCutShortAreNotBelieved) {
  for (const char* body : {"", "     ", "<?xml version=\"1.0\"?>\n     ",
                           "<CompleteMultipartUploadResult><ETag>\"x-1\"</ETag>", "<html/>"}) {
    std::string id;
    const auto parts = one_part(id);
    rewrite("CompleteMultipartUpload", [body](RawResponse& r) { r.body = body; });
    EXPECT_EQ(error_of([&] { client_.complete_upload("new", id, parts); }).retry(),
              Retry::ambiguous)
        << body;
  }
  std::string id;
  const auto parts = one_part(id);
  rewrite("CompleteMultipartUpload", [](RawResponse& r) { r.close_after = r.body.size() / 2; });
  EXPECT_EQ(error_of([&] { client_.complete_upload("new", id, parts); }).retry(), Retry::ambiguous);
}

TEST_F(S3Faults, RefusalsOfCompleteThatCannotBeMended) {
  std::string id;
  auto parts = one_part(id);
  Error e = error_of(
      [&] { client_.complete_upload("new", id, parts, {.checksum = Checksum{kCrc64, 1}}); });
  EXPECT_EQ(e.server_code(), "BadDigest");
  EXPECT_EQ(e.code(), Code::verification);
  EXPECT_FALSE(e.retryable());  // unlike on a part, where the caller holds the bytes
  e = error_of([&] { client_.complete_upload("new", id, parts, {.object_size = 5}); });
  EXPECT_EQ(e.http_status(), 400);
  fake_.fail("CompleteMultipartUpload", 409, "ConditionalRequestConflict");
  e = error_of([&] { client_.complete_upload("new", id, parts); });
  EXPECT_EQ(e.code(), Code::conflict);
  EXPECT_FALSE(e.retryable());
  EXPECT_FALSE(e.hint().empty());
  fake_.put("models", "new", "other");
  e = error_of([&] { client_.complete_upload("new", id, parts, {.if_none_match = true}); });
  EXPECT_EQ(e.code(), Code::precondition);
  parts[0].etag = "\"00000000000000000000000000000000\"";
  e = error_of([&] { client_.complete_upload("new", id, parts); });
  EXPECT_EQ(e.server_code(), "InvalidPart");
  EXPECT_FALSE(e.retryable());
}

TEST_F(S3Faults, MissingETagsAreNoticed) {
  const auto strip = [](RawResponse& r) {
    std::erase_if(r.headers, [](const auto& field) { return field.first == "ETag"; });
  };
  const std::string id = client_.create_upload("k");
  rewrite("UploadPart", strip);
  EXPECT_EQ(error_of([&] { client_.upload_part("k", id, 1, as_bytes("x")); }).retry(), Retry::yes);
  rewrite("PutObject", strip);
  const Error e =
      error_of([&] { client_.put_object("k", as_bytes("x"), {.if_none_match = true}); });
  EXPECT_EQ(e.code(), Code::malformed);
  EXPECT_EQ(e.retry(), Retry::ambiguous);
}

TEST_F(S3Faults, AChecksumOfOtherBytesInTheAnswerIsNoticed) {
  const std::string wrong = crc64_header(12345);
  const auto lie = [&](RawResponse& r) {
    for (auto& [name, value] : r.headers)
      if (name == "x-amz-checksum-crc64nvme") value = wrong;
  };
  const std::string id = client_.create_upload("k", {.checksum = kCrc64});
  const PartOptions part{.checksum = checksum_of(kCrc64, as_bytes("x"))};
  rewrite("UploadPart", lie);
  EXPECT_EQ(error_of([&] { client_.upload_part("k", id, 1, as_bytes("x"), part); }).code(),
            Code::verification);
  PutOptions put;
  put.checksum = part.checksum;
  rewrite("PutObject", lie);
  EXPECT_EQ(error_of([&] { client_.put_object("k", as_bytes("x"), put); }).code(),
            Code::verification);
}

TEST_F(S3Faults, ListsThatCannotGoOnAreErrors) {
  for (const char* end : {"", "<NextContinuationToken>next:k</NextContinuationToken>"}) {
    const std::string body = std::string("<ListBucketResult><IsTruncated>true</IsTruncated>") +
                             end + "</ListBucketResult>";
    rewrite("ListObjectsV2", [body](RawResponse& r) { r.body = body; });
    EXPECT_EQ(error_of([&] { client_.list({}); }).code(), Code::malformed);
  }
  rewrite("ListObjectsV2", [](RawResponse& r) {
    r.body = "<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>";
  });
  EXPECT_EQ(error_of([&] { client_.list({}); }).code(), Code::malformed);  // no size
  std::string id;
  one_part(id);
  rewrite("ListParts", [](RawResponse& r) {
    r.body = "<ListPartsResult><IsTruncated>true</IsTruncated></ListPartsResult>";
  });
  EXPECT_EQ(error_of([&] { client_.list_parts("new", id); }).code(), Code::malformed);
}

TEST_F(S3Faults, UnencodedListsAreTakenAsTheyAre) {
  rewrite("ListObjectsV2", [](RawResponse& r) {
    r.body =
        "<ListBucketResult><Contents><Key>a+b%20&amp;c</Key><Size>1</Size></Contents>"
        "</ListBucketResult>";
  });
  EXPECT_EQ(client_.list({}).objects.at(0).key, "a+b%20&c");
}

TEST_F(S3Faults, ObjectsThatCannotBeDeletedAreNamed) {
  rewrite("DeleteObjects", [](RawResponse& r) {
    r.body =
        "<DeleteResult><Error><Key>k7</Key><Code>AccessDenied</Code></Error>"
        "<Error><Key>gone</Key><Code>NoSuchKey</Code></Error></DeleteResult>";
  });
  const Error e = error_of([&] { client_.delete_objects({"k7", "gone", "k9"}); });
  EXPECT_EQ(e.code(), Code::partial);
  EXPECT_NE(e.message().find("1 of 3"), std::string::npos);
  EXPECT_NE(e.message().find("k7"), std::string::npos);
}

TEST_F(S3Faults, DeletesGoInBatches) {
  std::vector<std::string> keys;
  for (int i = 0; i < 1001; ++i) keys.push_back("k" + std::to_string(i));
  for (const std::string& key : keys) fake_.put("models", key, "");
  client_.delete_objects(keys);
  EXPECT_EQ(fake_.count("DeleteObjects"), 2);
  EXPECT_EQ(fake_.objects("models").size(), 1U);
}

TEST_F(S3Faults, AServiceWithoutRangesIsNotRead) {
  rewrite("GetObject", [](RawResponse& r) { r.status = 200; });
  Buffer out(3);
  EXPECT_EQ(error_of([&] { client_.get_range("there", "", 1, out); }).code(), Code::unsupported);
}

TEST_F(S3Faults, StoppedWaitsEndAtOnce) {
  std::stop_source source;
  ClientOptions options = test::s3_options(fake_, "models");
  options.retry.on_retry = [&](const Error&, std::chrono::milliseconds) { source.request_stop(); };
  fake_.fail("ListObjectsV2", 503, "SlowDown", 100);
  Client client(options);
  EXPECT_EQ(error_of([&] { client.list({}, source.get_token()); }).code(), Code::cancelled);
  EXPECT_EQ(fake_.count("ListObjectsV2"), 1);
}

TEST_F(S3Faults, RgwIsServedWithoutWhatItLacks) {
  fake_.configure([](FakeS3Options& o) {
    o = FakeS3Options::rgw16();
    o.min_part_size = 1;
  });
  std::string id;
  const auto parts = one_part(id);
  EXPECT_FALSE(parts[0].checksum.has_value());
  EXPECT_FALSE(client_.complete_upload("new", id, parts, {.checksum = Checksum{kCrc64, 1}})
                   .checksum.has_value());
  EXPECT_FALSE(client_.head_object("new")->checksum.has_value());
}

TEST_F(S3Faults, CephCallsAnUploadThatIsGoneAMissingKey) {
  fake_.before([&](const RawRequest&, const std::string& operation, int) {
    if (operation != "ListParts") return std::optional<RawResponse>();
    return std::optional(RawResponse{
        .status = 404, .body = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>"});
  });
  EXPECT_FALSE(client_.list_parts("key", "gone").has_value());
}

}  // namespace
}  // namespace dray::s3
