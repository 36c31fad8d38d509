// Manifests, tags and referrers of the fake registry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_registry.h"
#include "tests/support/registry_user.h"

namespace dray::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kImage = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* kIndex = "application/vnd.oci.image.index.v1+json";
constexpr const char* kDocker = "application/vnd.docker.distribution.manifest.v2+json";

class FakeRegistryManifest : public testing::Test {
 protected:
  static Json descriptor(const std::string& type, const std::string& content) {
    return {{"mediaType", type},
            {"digest", FakeRegistry::digest_of(content)},
            {"size", content.size()}};
  }
  Json image(const std::string& layer = "layer") const {
    return {{"schemaVersion", 2},
            {"mediaType", kImage},
            {"config", descriptor("application/vnd.oci.image.config.v1+json", "{}")},
            {"layers", Json::array({descriptor("application/octet-stream", layer)})}};
  }
  void put_parts(const std::string& repository) {
    registry_.put_blob(repository, "{}");
    registry_.put_blob(repository, "layer");
  }
  http::Response put(const std::string& reference, const std::string& text,
                     const std::string& type = kImage) {
    return user_.send("PUT", "/v2/a/manifests/" + reference, {{"Content-Type", type}}, text);
  }
  static std::string code(const http::Response& response) { return RegistryUser::code(response); }
  static std::string header(const http::Response& response, const std::string& name) {
    return RegistryUser::header(response, name);
  }
  static Json json(const http::Response& response) { return Json::parse(response.body); }
  void quirk(const std::function<void(RegistryQuirks&)>& change) {
    registry_.configure([&](RegistryOptions& options) { change(options.quirks); });
  }

  FakeRegistry registry_;
  RegistryUser user_{registry_};
};

TEST_F(FakeRegistryManifest, BytesAreKeptAsTheyCame) {
  put_parts("a");
  const std::string text = image().dump(3) + "\n";
  const std::string digest = FakeRegistry::digest_of(text);
  const auto stored = put("v1", text);
  EXPECT_EQ(stored.status, 201);
  EXPECT_EQ(header(stored, "Docker-Content-Digest"), digest);
  EXPECT_EQ(header(stored, "Location"), registry_.url() + "/v2/a/manifests/" + digest);
  for (const std::string& reference : {std::string("v1"), digest}) {
    const auto read = user_.get("/v2/a/manifests/" + reference);
    EXPECT_EQ(read.body, text);
    EXPECT_EQ(header(read, "Content-Type"), kImage);
    const auto head = user_.send("HEAD", "/v2/a/manifests/" + reference);
    EXPECT_EQ(header(head, "Content-Length"), std::to_string(text.size()));
    EXPECT_EQ(header(head, "Docker-Content-Digest"), digest);
  }
  EXPECT_EQ(registry_.manifest("a", "v1")->content, text);
  EXPECT_EQ(code(user_.get("/v2/a/manifests/v2")), "MANIFEST_UNKNOWN");
  EXPECT_EQ(code(user_.get("/v2/b/manifests/v1")), "MANIFEST_UNKNOWN");
}

TEST_F(FakeRegistryManifest, WhatItNamesMustBeThere) {
  const auto refused = put("v1", image().dump());
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(code(refused), "MANIFEST_BLOB_UNKNOWN");
  EXPECT_EQ(json(refused).at("errors").at(0).at("detail").at("digest"),
            FakeRegistry::digest_of("layer"));
  registry_.put_blob("a", "layer");
  EXPECT_EQ(code(put("v1", image().dump())), "MANIFEST_BLOB_UNKNOWN");  // the config is missing
  registry_.put_blob("a", "{}");
  EXPECT_EQ(put("v1", image().dump()).status, 201);

  Json foreign = image("elsewhere");
  EXPECT_EQ(code(put("v2", foreign.dump())), "MANIFEST_BLOB_UNKNOWN");
  foreign["layers"][0]["urls"] = {"http://elsewhere.test/layer"};
  EXPECT_EQ(put("v2", foreign.dump()).status, 201);
}

TEST_F(FakeRegistryManifest, AnIndexNeedsItsManifests) {
  put_parts("a");
  const std::string text = image().dump();
  const Json index{{"schemaVersion", 2},
                   {"mediaType", kIndex},
                   {"manifests", Json::array({descriptor(kImage, text)})}};
  EXPECT_EQ(code(put("v1", index.dump(), kIndex)), "MANIFEST_BLOB_UNKNOWN");
  EXPECT_EQ(put(FakeRegistry::digest_of(text), text).status, 201);
  EXPECT_EQ(put("v1", index.dump(), kIndex).status, 201);
  EXPECT_EQ(registry_.manifest("a", "v1")->type, kIndex);
}

TEST_F(FakeRegistryManifest, WhatIsWrongWithItselfIsRefused) {
  put_parts("a");
  const std::string text = image().dump();
  EXPECT_EQ(code(put("v1", text, kDocker)), "MANIFEST_INVALID");
  EXPECT_EQ(code(put("v1", text, "application/json")), "MANIFEST_INVALID");
  EXPECT_EQ(code(put("v1", "{", kImage)), "MANIFEST_INVALID");
  EXPECT_EQ(code(put("-v1", text)), "MANIFEST_INVALID");
  EXPECT_EQ(code(put(FakeRegistry::digest_of("other"), text)), "DIGEST_INVALID");
  Json resized = image();
  resized["layers"][0]["size"] = 6;
  EXPECT_EQ(code(put("v1", resized.dump())), "MANIFEST_INVALID");
  Json bare = image();
  bare["layers"][0].erase("mediaType");
  EXPECT_EQ(code(put("v1", bare.dump())), "MANIFEST_INVALID");
  EXPECT_THAT(registry_.tags("a"), IsEmpty());
}

TEST_F(FakeRegistryManifest, HasALargestSize) {
  put_parts("a");
  EXPECT_EQ(put("v1", std::string((4 << 20) + 1, ' ')).status, 413);
  const std::string text = image().dump();
  quirk([&](RegistryQuirks& quirks) { quirks.max_manifest = text.size() - 1; });
  EXPECT_EQ(put("v1", text).status, 413);
  quirk([&](RegistryQuirks& quirks) { quirks.max_manifest = text.size(); });
  EXPECT_EQ(put("v1", text).status, 201);
}

TEST_F(FakeRegistryManifest, AcceptDecidesWhatIsShown) {
  put_parts("a");
  put("v1", image().dump());
  EXPECT_EQ(user_.get("/v2/a/manifests/v1", {{"Accept", kDocker}}).status, 404);
  const std::string both = std::string(kDocker) + ", " + kImage + ";q=0.5";
  EXPECT_EQ(user_.get("/v2/a/manifests/v1", {{"Accept", both}}).status, 200);
  quirk([](RegistryQuirks& quirks) { quirks.checks_accept = false; });
  EXPECT_EQ(user_.get("/v2/a/manifests/v1", {{"Accept", kDocker}}).status, 200);
}

TEST_F(FakeRegistryManifest, ManyTagsInOneRequest) {
  put_parts("a");
  const std::string text = image().dump(), digest = FakeRegistry::digest_of(text);
  quirk([](RegistryQuirks& quirks) { quirks.tag_parameters = false; });
  const auto without = put(digest + "?tag=v1&tag=v2", text);
  EXPECT_EQ(without.status, 201);
  EXPECT_FALSE(without.headers.has("OCI-Tag"));
  EXPECT_THAT(registry_.tags("a"), IsEmpty());
  quirk([](RegistryQuirks& quirks) { quirks.tag_parameters = true; });
  EXPECT_THAT(put(digest + "?tag=v1&tag=v2", text).headers.all("OCI-Tag"), ElementsAre("v1", "v2"));
  EXPECT_EQ(registry_.tags("a").at("v2"), digest);
}

TEST_F(FakeRegistryManifest, DeletingByTagAndByDigest) {
  put_parts("a");
  const std::string digest = FakeRegistry::digest_of(image().dump());
  put("v1", image().dump());
  put("v2", image().dump());
  EXPECT_EQ(user_.send("DELETE", "/v2/a/manifests/v1").status, 202);
  EXPECT_EQ(registry_.tags("a").size(), 1u);
  EXPECT_TRUE(registry_.manifest("a", digest));
  EXPECT_EQ(user_.send("DELETE", "/v2/a/manifests/" + digest).status, 202);
  EXPECT_THAT(registry_.tags("a"), IsEmpty());
  EXPECT_EQ(code(user_.send("DELETE", "/v2/a/manifests/" + digest)), "MANIFEST_UNKNOWN");
  put("v1", image().dump());
  quirk([](RegistryQuirks& quirks) { quirks.deletes_tags = false; });
  EXPECT_EQ(user_.send("DELETE", "/v2/a/manifests/v1").status, 405);
  quirk([](RegistryQuirks& quirks) { quirks.deletes = false; });
  EXPECT_EQ(code(user_.send("DELETE", "/v2/a/manifests/" + digest)), "UNSUPPORTED");
}

TEST_F(FakeRegistryManifest, TagsComeInPages) {
  EXPECT_EQ(code(user_.get("/v2/a/tags/list")), "NAME_UNKNOWN");
  for (const char* tag : {"v3", "v1", "v2", "latest", "v4"})
    registry_.put_manifest("a", tag, image().dump());
  EXPECT_EQ(json(user_.get("/v2/a/tags/list")),
            (Json{{"name", "a"}, {"tags", {"latest", "v1", "v2", "v3", "v4"}}}));
  const auto first = user_.get("/v2/a/tags/list?n=2");
  EXPECT_EQ(json(first).at("tags"), Json::array({"latest", "v1"}));
  EXPECT_EQ(header(first, "Link"), "</v2/a/tags/list?n=2&last=v1>; rel=\"next\"");
  const auto last = user_.get("/v2/a/tags/list?n=3&last=v1");
  EXPECT_EQ(json(last).at("tags"), Json::array({"v2", "v3", "v4"}));
  EXPECT_EQ(header(last, "Link"), "");
  EXPECT_EQ(json(user_.get("/v2/a/tags/list?n=0")).at("tags"), Json::array());
  EXPECT_EQ(user_.get("/v2/a/tags/list?n=x").status, 400);
}

TEST_F(FakeRegistryManifest, PagesCanBeShortAndOpaque) {
  quirk([](RegistryQuirks& quirks) {
    quirks.page = 2;
    quirks.opaque_pages = true;
    quirks.null_tags = true;
  });
  registry_.make_repository("a");
  EXPECT_TRUE(json(user_.get("/v2/a/tags/list")).at("tags").is_null());
  for (const char* tag : {"v1", "v2", "v3"}) registry_.put_manifest("a", tag, image().dump());
  const auto first = user_.get("/v2/a/tags/list?n=100");
  EXPECT_EQ(json(first).at("tags"), Json::array({"v1", "v2"}));
  const auto links = http::parse_link(header(first, "Link"));
  ASSERT_EQ(links.size(), 1u);
  EXPECT_EQ(links[0].target, registry_.url() + "/v2/a/tags/list?n=2&next_page=page%2Bv2");
  EXPECT_EQ(json(user_.get(links[0].target)).at("tags"), Json::array({"v3"}));
}

class FakeRegistryReferrers : public FakeRegistryManifest {
 protected:
  FakeRegistryReferrers() {
    put_parts("a");
    put("v1", subject_);
  }
  std::string referrer(const std::string& type) {
    Json document = image();
    document["artifactType"] = type;
    document["subject"] = descriptor(kImage, subject_);
    document["annotations"] = {{"of", type}};
    return document.dump();
  }
  const std::string subject_ = image().dump();
  const std::string digest_ = FakeRegistry::digest_of(subject_);
};

TEST_F(FakeRegistryReferrers, AreListedByTheirSubject) {
  EXPECT_EQ(json(user_.get("/v2/a/referrers/" + digest_)).at("manifests"), Json::array());
  const std::string text = referrer("application/x.one");
  const auto stored = put(FakeRegistry::digest_of(text), text);
  EXPECT_EQ(header(stored, "OCI-Subject"), digest_);
  const auto list = user_.get("/v2/a/referrers/" + digest_);
  EXPECT_EQ(header(list, "Content-Type"), kIndex);
  EXPECT_EQ(header(list, "OCI-Filters-Applied"), "");
  Json expected = descriptor(kImage, text);
  expected["artifactType"] = "application/x.one";
  expected["annotations"] = {{"of", "application/x.one"}};
  EXPECT_EQ(json(list).at("manifests"), Json::array({expected}));
}

TEST_F(FakeRegistryReferrers, AreFilteredByType) {
  for (const char* type : {"application/x.one", "application/x.two"})
    put(type + 12, referrer(type));
  const std::string path = "/v2/a/referrers/" + digest_ + "?artifactType=application%2Fx.two";
  const auto filtered = user_.get(path);
  EXPECT_EQ(json(filtered).at("manifests").size(), 1u);
  EXPECT_EQ(header(filtered, "OCI-Filters-Applied"), "artifactType");
  quirk([](RegistryQuirks& quirks) { quirks.referrers_filters = false; });
  EXPECT_EQ(json(user_.get(path)).at("manifests").size(), 2u);
  EXPECT_EQ(header(user_.get(path), "OCI-Filters-Applied"), "");
}

TEST_F(FakeRegistryReferrers, ComeInPages) {
  for (const char* type : {"application/x.one", "application/x.two"})
    put(type + 12, referrer(type));
  quirk([](RegistryQuirks& quirks) { quirks.page = 1; });
  const auto first = user_.get("/v2/a/referrers/" + digest_);
  const auto links = http::parse_link(header(first, "Link"));
  ASSERT_EQ(links.size(), 1u);
  const auto second = user_.get(links[0].target);
  EXPECT_EQ(json(second).at("manifests").size(), 1u);
  EXPECT_NE(json(second).at("manifests"), json(first).at("manifests"));
  EXPECT_EQ(header(second, "Link"), "");
}

TEST_F(FakeRegistryReferrers, CanBeUnknown) {
  quirk([](RegistryQuirks& quirks) { quirks.referrers = false; });
  EXPECT_EQ(header(put("x", referrer("application/x.one")), "OCI-Subject"), "");
  const auto list = user_.get("/v2/a/referrers/" + digest_);
  EXPECT_EQ(list.status, 404);
  EXPECT_EQ(header(list, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(code(list), "");
}

}  // namespace
}  // namespace dray::test
