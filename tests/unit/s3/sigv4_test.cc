#include "dray/s3/sigv4.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "dray/base/error.h"
#include "dray/base/file.h"
#include "dray/base/json.h"
#include "dray/s3/config.h"
#include "tests/support/paths.h"

namespace dray::s3 {
namespace {

/// Keeps what a Signer borrows.
struct Keys {
  std::string id;
  Secret secret, token;
  Signer signer(std::string region, UnixTime time) const {
    return {.access_key_id = id,
            .secret_access_key = &secret,
            .session_token = &token,
            .region = std::move(region),
            .service = "s3",
            .time = time};
  }
};

Json vectors() {
  return parse_json(*read_file(test::source_dir() + "/tests/unit/s3/signing_vectors.json"),
                    "signing vectors");
}

Keys keys_of(const Json& all, const Json& one) {
  const std::string token = one["token"].is_null() ? "" : one["token"].get<std::string>();
  return {all["access_key"], Secret(all["secret_key"].get<std::string>()), Secret(token)};
}

/// The request of a vector, its URL made as the client makes it.
http::Url url_of(const Json& one) {
  Endpoint endpoint;
  endpoint.url = http::parse_url(one["endpoint"].get<std::string>());
  endpoint.url.path.clear();
  endpoint.addressing = Addressing::path;
  const std::string key = one["key"];
  Query query;
  for (const Json& pair : one["query"]) query.emplace_back(pair[0], pair[1]);
  http::Url url = endpoint.url;
  url.path = "/" + encode_path(key);
  url.query = canonical_query(query);
  return url;
}

TEST(SigV4Vectors, AgreeWithBotocoreInEveryStep) {
  const Json all = vectors();
  const UnixTime time = *parse_rfc3339(all["time"].get<std::string>());
  SigningKeys cache;
  ASSERT_GE(all["signed"].size(), 25U);
  for (const Json& one : all["signed"]) {
    SCOPED_TRACE(one["name"].get<std::string>());
    const Keys keys = keys_of(all, one);
    const Signer signer = keys.signer(one["region"], time);
    http::Headers headers;
    for (const Json& field : one["headers"]) headers.add(field[0], field[1]);
    const http::Url url = url_of(one);
    const std::string method = one["method"], payload = one["payload"];
    sign(method, url, headers, payload, signer, cache);
    const CanonicalRequest request = canonical_request(method, url, headers, payload);
    EXPECT_EQ(request.text, one["canonical_request"].get<std::string>());
    EXPECT_EQ(string_to_sign(signer, request.text), one["string_to_sign"].get<std::string>());
    EXPECT_EQ(headers.get("Authorization"), one["authorization"].get<std::string>());
  }
}

TEST(SigV4Vectors, PresignedUrlsAgreeWithBotocore) {
  const Json all = vectors();
  const UnixTime time = *parse_rfc3339(all["time"].get<std::string>());
  for (const Json& one : all["presigned"]) {
    SCOPED_TRACE(one["name"].get<std::string>());
    const Keys keys = keys_of(all, one);
    SigningKeys cache;
    const std::string ours =
        presign("GET", url_of(one), 3600, keys.signer(one["region"], time), cache);
    const std::string theirs = one["url"];
    // The order of parameters is free; what they are, and the signature, is not.
    auto a = http::parse_query(http::parse_url(ours).query);
    auto b = http::parse_query(http::parse_url(theirs).query);
    EXPECT_EQ(a.back().first, "X-Amz-Signature");
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    EXPECT_EQ(a, b);
    EXPECT_EQ(http::parse_url(ours).path, http::parse_url(theirs).path);
  }
}

// The examples of the S3 API reference ("Signature Calculations for the Authorization Header" and
// "Authenticating Requests: Using Query Parameters").
class SigV4Amazon : public ::testing::Test {
 protected:
  Keys keys_{"AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), {}};
  UnixTime time_ = *parse_rfc3339("2013-05-24T00:00:00Z");
  SigningKeys cache_;

  std::string signature_of(const std::string& target, http::Headers headers = {}) {
    const http::Url url = http::parse_url("https://examplebucket.s3.amazonaws.com" + target);
    sign("GET", url, headers, kEmptyPayload, keys_.signer("us-east-1", time_), cache_);
    const std::string value = *headers.get("Authorization");
    return value.substr(value.find("Signature=") + 10);
  }
};

TEST_F(SigV4Amazon, GetWithRange) {
  http::Headers headers;
  headers.set("Range", "bytes=0-9");
  EXPECT_EQ(signature_of("/test.txt", headers),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(SigV4Amazon, QueryWithoutValue) {
  EXPECT_EQ(signature_of("/?lifecycle"),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST_F(SigV4Amazon, ListWithParameters) {
  EXPECT_EQ(signature_of("/?max-keys=2&prefix=J"),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_F(SigV4Amazon, PresignedGet) {
  const http::Url url = http::parse_url("https://examplebucket.s3.amazonaws.com/test.txt");
  const std::string text = presign("GET", url, 86400, keys_.signer("us-east-1", time_), cache_);
  EXPECT_TRUE(text.ends_with(
      "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"))
      << text;
}

TEST_F(SigV4Amazon, PresignedUrlsLiveOneSecondToSevenDays) {
  const http::Url url = http::parse_url("https://examplebucket.s3.amazonaws.com/test.txt");
  for (const std::int64_t seconds : {0L, -1L, 604'801L})
    EXPECT_THROW(presign("GET", url, seconds, keys_.signer("us-east-1", time_), cache_), Error);
  EXPECT_NO_THROW(presign("GET", url, 604'800, keys_.signer("us-east-1", time_), cache_));
}

TEST(SigV4Keys, DependOnDayRegionServiceAndSecret) {
  SigningKeys cache;
  const Keys one{"id", Secret("one"), {}}, two{"id", Secret("two"), {}};
  const UnixTime midnight = *parse_rfc3339("2026-08-08T00:00:00Z");
  const auto key = [&](const Keys& keys, const std::string& region, UnixTime time) {
    return cache.get(keys.signer(region, time));
  };
  const auto base = key(one, "us-east-1", midnight - 1);
  EXPECT_EQ(base, key(one, "us-east-1", midnight - 86400));
  EXPECT_NE(base, key(one, "us-east-1", midnight));
  EXPECT_NE(base, key(one, "eu-west-1", midnight - 1));
  // The same access key id with another secret: a corrected configuration, another account.
  EXPECT_NE(base, key(two, "us-east-1", midnight - 1));
  Signer sts = one.signer("us-east-1", midnight - 1);
  sts.service = "sts";
  EXPECT_NE(base, cache.get(sts));
  // More scopes than the cache keeps do not confuse it.
  for (int i = 0; i < 40; ++i) key(one, "r" + std::to_string(i), midnight);
  EXPECT_EQ(base, key(one, "us-east-1", midnight - 1));
}

TEST(SigV4Headers, OtherServicesGetNoPayloadHeaderAndEmptyTokensAreLeftOut) {
  const Keys keys{"id", Secret("secret"), Secret("")};
  SigningKeys cache;
  Signer signer = keys.signer("us-east-1", 0);
  signer.service = "sts";
  http::Headers headers;
  headers.set("Accept", "x");
  sign("POST", http::parse_url("https://sts.us-east-1.amazonaws.com/"), headers, kEmptyPayload,
       signer, cache);
  EXPECT_FALSE(headers.has("x-amz-content-sha256"));
  EXPECT_FALSE(headers.has("x-amz-security-token"));
  EXPECT_EQ(headers.get("x-amz-date"), "19700101T000000Z");
  const std::string authorization = *headers.get("Authorization");
  EXPECT_NE(authorization.find("SignedHeaders=host;x-amz-date,"), std::string::npos);
}

TEST(SigV4Headers, SigningAgainReplacesTheFirstSignature) {
  const Keys keys{"id", Secret("secret"), Secret("token")};
  SigningKeys cache;
  const http::Url url = http::parse_url("https://h/b/k");
  http::Headers again, once;
  sign("GET", url, again, kEmptyPayload, keys.signer("r", 1000), cache);
  sign("GET", url, again, kEmptyPayload, keys.signer("r", 2000), cache);
  sign("GET", url, once, kEmptyPayload, keys.signer("r", 2000), cache);
  EXPECT_EQ(again.fields().size(), once.fields().size());
  EXPECT_EQ(again.get("Authorization"), once.get("Authorization"));
}

TEST(SigV4Payload, EmptyBodyHasTheKnownHash) {
  EXPECT_EQ(payload_hash({}), kEmptyPayload);
  EXPECT_EQ(payload_hash(as_bytes("Welcome to Amazon S3.")),
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
}

}  // namespace
}  // namespace dray::s3
