#include "dray/hub/listing.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"

namespace dray::hub {
namespace {

const std::string kSha256(64, 'a');
const std::string kSha1(40, 'b');

std::vector<RepoFile> tree(const std::string& json) { return parse_tree_page(json, "listing"); }
RepoInfo info(const std::string& json) { return parse_info(json, "info"); }

std::string lfs_entry(const std::string& oid, const std::string& size) {
  return R"([{"type":"file","path":"m.safetensors","size":5000000000,"oid":")" + kSha1 +
         R"(","lfs":{"oid":")" + oid + R"(","size":)" + size + R"(,"pointerSize":135}}])";
}

TEST(HubTree, TellsLfsFilesFromThoseInGit) {
  const auto files = tree(R"([{"type":"directory","path":"a","oid":"x","size":0},
      {"type":"file","path":"a/config.json","size":12,"oid":")" +
                          kSha1 + R"("}])");
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0], (RepoFile{.path = "a/config.json", .size = 12, .git_sha1 = kSha1}));
  const auto large = tree(lfs_entry(kSha256, "5000000000"));
  ASSERT_EQ(large.size(), 1u);
  EXPECT_EQ(
      large[0],
      (RepoFile{.path = "m.safetensors", .size = 5000000000, .sha256 = kSha256, .lfs = true}));
}

// The id beside "lfs" is that of the pointer: taken for the content's it would fail every file.
TEST(HubTree, AnLfsDigestOfAnotherFormLeavesTheFileWithoutDigest) {
  for (const std::string& oid :
       {std::string("md5:1234"), std::string(63, 'a'), std::string(64, 'g')}) {
    const auto files = tree(lfs_entry(oid, "5000000000"));
    EXPECT_EQ(files[0].sha256, "") << oid;
    EXPECT_EQ(files[0].git_sha1, "") << oid;
    EXPECT_TRUE(files[0].lfs);
  }
}

TEST(HubTree, DigestsArePlainLowerCaseHex) {
  EXPECT_EQ(tree(lfs_entry("sha256:" + std::string(64, 'A'), "5000000000"))[0].sha256, kSha256);
  EXPECT_EQ(git_id_of(std::string(40, 'B')), kSha1);
  EXPECT_EQ(git_id_of(kSha256), "");
}

TEST(HubTree, TwoSizesOfOneFileAreRefused) {
  EXPECT_THROW(tree(lfs_entry(kSha256, "4999999999")), Error);
}

class HubTreeMistakes : public testing::TestWithParam<const char*> {};

TEST_P(HubTreeMistakes, AreMalformed) {
  try {
    tree(GetParam());
    FAIL() << GetParam();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::malformed) << error.what();
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, HubTreeMistakes,
    testing::Values("", "{}", "<html>", R"([{"type":"file","path":"a","size":1)", "[1]", "[null]",
                    R"([{"path":"a","size":1}])", R"([{"type":"file","size":1}])",
                    R"([{"type":"file","path":"a"}])", R"([{"type":"file","path":1,"size":1}])",
                    R"([{"type":"file","path":"a","size":-1}])",
                    R"([{"type":"file","path":"a","size":1.5}])",
                    R"([{"type":"file","path":"a","size":1e3}])",
                    R"([{"type":"file","path":"a","size":"1"}])",
                    R"([{"type":"file","path":"a","size":99999999999999999999}])",
                    R"([{"type":"file","path":"a","size":1125899906842625}])",
                    R"([{"type":"symlink","path":"a","size":1}])",
                    R"([{"type":"file","path":"a","size":1,"lfs":{"oid":"x","size":-1}}])"));

TEST(HubTree, AbsentLfsMayBeNullOrFalse) {
  for (const char* none : {"null", "false"}) {
    const auto files = tree(R"([{"type":"file","path":"a","size":1,"oid":")" + kSha1 +
                            R"(","lfs":)" + none + "}]");
    EXPECT_EQ(files[0].git_sha1, kSha1) << none;
    EXPECT_FALSE(files[0].lfs);
  }
}

TEST(HubInfo, ReadsWhatTheHubSays) {
  const RepoInfo read = info(R"({"id":"org/name","sha":")" + kSha1 + R"(","private":true,
    "gated":"manual","disabled":false,"library_name":"transformers","pipeline_tag":"text-generation",
    "tags":["safetensors","license:mit"],"siblings":[{"rfilename":"README.md"}],
    "cardData":{"license":"apache-2.0","base_model":["org/a","org/b"],"language":"en"}})");
  EXPECT_EQ(read.id, "org/name");
  EXPECT_EQ(read.commit, kSha1);
  EXPECT_EQ(read.gated, "manual");
  EXPECT_TRUE(read.is_private);
  EXPECT_EQ(read.license, "apache-2.0");
  EXPECT_EQ(read.library, "transformers");
  EXPECT_EQ(read.base_models, (std::vector<std::string>{"org/a", "org/b"}));
  EXPECT_EQ(read.languages, std::vector<std::string>{"en"});
  ASSERT_EQ(read.siblings.size(), 1u);
  EXPECT_FALSE(read.siblings[0].size);
}

TEST(HubInfo, AMirrorMayLeaveAllOut) {
  const RepoInfo read = info("{}");
  EXPECT_EQ(read.id, "");
  EXPECT_EQ(read.commit, "");
  EXPECT_EQ(read.gated, "");
}

TEST(HubInfo, FactsOfTheCardInAnyShapeAreNoReasonToFail) {
  const RepoInfo read =
      info(R"({"cardData":{"license":["mit","x"],"base_model":7,"language":{"a":1},
    "pipeline_tag":[]},"tags":["a",1,null],"pipeline_tag":null,"sha":"main","gated":false})");
  EXPECT_EQ(read.license, "mit");
  EXPECT_TRUE(read.base_models.empty());
  EXPECT_EQ(read.tags, std::vector<std::string>{"a"});
  EXPECT_EQ(read.commit, "");
  EXPECT_NO_THROW(info(R"({"cardData":"text"})"));
}

TEST(HubInfo, TheLicenceHasItsNameOrComesFromTheTags) {
  EXPECT_EQ(info(R"({"cardData":{"license":"other","license_name":"llama3.1"}})").license,
            "llama3.1");
  EXPECT_EQ(info(R"({"cardData":{"license":"other"}})").license, "other");
  EXPECT_EQ(info(R"({"tags":["license:mit"]})").license, "mit");
}

TEST(HubInfo, GatedIsAWordOrABoolean) {
  EXPECT_EQ(info(R"({"gated":"auto"})").gated, "auto");
  EXPECT_EQ(info(R"({"gated":true})").gated, "auto");
  EXPECT_EQ(info(R"({"gated":"false"})").gated, "");
}

TEST(HubInfo, WhatDecidesAboutAccessOrFilesMustBeRight) {
  for (const char* json : {"[]", "null", R"({"private":"yes"})", R"({"disabled":1})",
                           R"({"gated":3})", R"({"siblings":{}})", R"({"siblings":[{}]})",
                           R"({"siblings":[{"rfilename":"a","size":-1}]})"})
    EXPECT_THROW(info(json), Error) << json;
}

TEST(HubInfo, SiblingsCarrySizesAndDigestsWhereAskedFor) {
  const RepoInfo read = info(R"({"siblings":[
      {"rfilename":"a","size":3,"blobId":")" +
                             kSha1 + R"("},
      {"rfilename":"b","size":4,"blobId":"x","lfs":{"sha256":")" +
                             kSha256 + R"(","size":4}},
      {"rfilename":"c","size":4,"lfs":{"oid":"sha256:)" +
                             kSha256 + R"("}}]})");
  EXPECT_EQ(read.siblings[0].git_sha1, kSha1);
  EXPECT_EQ(read.siblings[1].sha256, kSha256);
  EXPECT_EQ(read.siblings[2].sha256, kSha256);
}

}  // namespace
}  // namespace dray::hub
