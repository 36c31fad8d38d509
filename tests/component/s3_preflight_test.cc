// What is wrong with a bucket or the way to it is found before the first byte of a model is
// written, and says what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/http/url.h"
#include "dray/store/s3_store.h"
#include "tests/support/aws_environment.h"
#include "tests/support/errors.h"
#include "tests/support/s3_store_place.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tls_server.h"

namespace dray::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::stop_token kGo;
constexpr const char* kBucket = "bucket";

class S3Preflight : public testing::Test {
 protected:
  void serve(FakeS3Options options = {}) {
    service_ = std::make_unique<FakeS3>(std::move(options));
    service_->make_bucket(kBucket);
    with_ = fake_store_options(*service_, kBucket);
    with_.prefix = "team";
  }
  void use(s3::CredentialSource source) {
    with_.client.credentials = std::make_shared<s3::CredentialsProvider>(
        std::vector<s3::CredentialSource>{std::move(source)});
  }
  /// What a preflight says. Nothing is left behind, whatever it is.
  Error refusal() {
    try {
      S3Store(with_).preflight(kGo);
    } catch (const Error& e) {
      EXPECT_THAT(service_->objects(kBucket), IsEmpty());
      EXPECT_FALSE(e.hint().empty());
      EXPECT_EQ(e.side(), Side::destination);
      return e;
    }
    ADD_FAILURE() << "no error";
    return Error(Code::internal, "none");
  }
  void expect_good() {
    S3Store(with_).preflight(kGo);
    EXPECT_THAT(service_->objects(kBucket), IsEmpty());
    EXPECT_THAT(service_->uploads(kBucket), IsEmpty());
  }

  std::unique_ptr<FakeS3> service_;
  S3StoreOptions with_;
};

TEST_F(S3Preflight, AMissingBucketNamesAClose) {
  serve();
  service_->make_bucket("models-production");
  with_.client.bucket = "models-prodution";
  const Error e = refusal();
  EXPECT_EQ(e.code(), Code::not_found);
  EXPECT_THAT(e.hint(), AllOf(HasSubstr("did you mean s3://models-production?"),
                              HasSubstr("aws s3 mb s3://models-prodution --endpoint-url " +
                                        service_->url())));
}

TEST_F(S3Preflight, AMissingBucketWithoutACloseOneOrThePermissionToListThem) {
  serve();
  service_->make_bucket("something-else");
  with_.client.bucket = "models";
  EXPECT_THAT(refusal().hint(),
              AllOf(Not(HasSubstr("did you mean")), HasSubstr("aws s3 mb s3://models ")));
  service_->configure([](FakeS3Options& o) { o.lists_buckets = false; });
  with_.client.bucket = "something-els";
  EXPECT_THAT(refusal().hint(),
              AllOf(Not(HasSubstr("did you mean")), HasSubstr("aws s3 mb s3://something-els ")));
}

TEST_F(S3Preflight, WrongKeys) {
  serve();
  const FakeS3Options good;
  use(s3::static_credentials("NOBODY", Secret(good.secret_key), Secret(), "the test"));
  Error e = refusal();
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_THAT(e.hint(), AllOf(HasSubstr("AWS_ACCESS_KEY_ID"), HasSubstr("the test")));
  use(s3::static_credentials(good.access_key, Secret("wrong"), Secret(), "the test"));
  e = refusal();
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_THAT(e.hint(), HasSubstr("AWS_SECRET_ACCESS_KEY"));
  service_->expire_token("old");
  use(s3::static_credentials(good.access_key, Secret(good.secret_key), Secret("old"), "the test"));
  EXPECT_THAT(refusal().hint(), HasSubstr("expired"));
}

TEST_F(S3Preflight, NoKeysAnywhere) {
  serve();
  with_.client.credentials =
      s3::find_credentials({.env = aws_environment({{"AWS_EC2_METADATA_DISABLED", "true"}})});
  try {
    S3Store(with_).preflight(kGo);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::auth);
    EXPECT_THAT(e.hint(), HasSubstr("AWS_ACCESS_KEY_ID"));
  }
  EXPECT_THAT(service_->operations(), IsEmpty());
}

TEST_F(S3Preflight, QuotasAndFullDisks) {
  for (const auto& [status, code] : {std::pair{403, "QuotaExceeded"},
                                     {507, "XMinioStorageFull"},
                                     {507, "InsufficientStorage"}}) {
    serve();
    service_->fail("PutObject", status, code, 1000);
    const Error e = refusal();
    EXPECT_EQ(e.code(), Code::storage) << code;
    EXPECT_THAT(e.hint(), HasSubstr("quota"));
  }
}

TEST_F(S3Preflight, AClockThatIsOffIsPutRightOrTold) {
  FakeS3Options options;
  options.now = [] { return unix_now() + 3600; };
  serve(options);
  expect_good();
  service_->before([](const RawRequest&, const std::string&, int) {
    return std::optional(FakeS3::error(403, "RequestTimeTooSkewed"));
  });
  const Error e = refusal();
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_THAT(e.hint(), HasSubstr("clock"));
}

TEST_F(S3Preflight, ObjectLockWantsAChecksumWithEveryObject) {
  for (const auto& flavour : {FakeS3Options(), FakeS3Options::rgw16()}) {
    serve(flavour);
    service_->configure([](FakeS3Options& o) { o.object_lock = true; });
    expect_good();
    S3Store store(with_);
    EXPECT_TRUE(store.state().create_if_absent(".dray/x", "x", kGo));
  }
}

TEST_F(S3Preflight, ObjectsThatMayNotBeRemovedAreTold) {
  serve();
  service_->fail("DeleteObject", 403, "ObjectLocked", 1000);
  try {
    S3Store(with_).preflight(kGo);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::policy);
    EXPECT_THAT(e.hint(), HasSubstr("Object Lock"));
  }
}

TEST_F(S3Preflight, ACompanysOwnAuthorityMustBeNamed) {
  const Certificate certificate = self_signed("127.0.0.1");
  const TlsServer server(certificate,
                         "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
  serve();
  with_.client.endpoint.url = http::parse_url(server.url());
  with_.client.endpoint.url.path.clear();
  const Error e = refusal();
  EXPECT_EQ(e.code(), Code::auth);
  EXPECT_THAT(e.hint(), HasSubstr("CA"));
  const TempFolder folder;
  write_file_atomic(folder.path() / "ca.pem", certificate.certificate_pem);
  with_.client.endpoint.ca_file = (folder.path() / "ca.pem").string();
  s3::Client client(with_.client);
  EXPECT_NO_THROW(client.head_bucket());
  EXPECT_THAT(client.list({}).objects, IsEmpty());
}

TEST_F(S3Preflight, APermissionThatLacksIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"HeadBucket", "s3:ListBucket"},
      {"ListObjectsV2", "s3:ListBucket"},
      {"ListMultipartUploads", "s3:ListBucketMultipartUploads"},
      {"PutObject", "s3:PutObject"},
      {"DeleteObject", "s3:DeleteObject"},
      {"CreateMultipartUpload", "s3:PutObject"},
      {"AbortMultipartUpload", "s3:AbortMultipartUpload"}};
  for (const bool known : {true, false}) {
    for (const auto& [op, permission] : cases) {
      serve();
      S3Store store(with_);
      if (known) store.capabilities(kGo);
      service_->fail(op, 403, "AccessDenied", 1000);
      const Error e = error_of([&] { store.preflight(kGo); });
      EXPECT_EQ(e.code(), Code::auth) << op;
      EXPECT_THAT(e.hint(), HasSubstr(permission)) << op;
    }
  }
}

TEST_F(S3Preflight, AStoreOfALaterLayoutIsRefusedBeforeAnyWrite) {
  serve();
  service_->put(kBucket, "team/.dray/layout.json",
                R"({"format": "dray-store", "format_version": 2})");
  EXPECT_EQ(error_of([&] { S3Store(with_).preflight(kGo); }).code(), Code::unsupported);
}

}  // namespace
}  // namespace dray::test
