#include "dray/hub/reference.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"

namespace dray::hub {
namespace {

constexpr std::string_view kHub = "https://huggingface.co";

RepoRef parse(std::string_view text, std::string_view endpoint = kHub) {
  return parse_reference(text, endpoint);
}

Error refused(std::string_view text, std::string_view endpoint = kHub) {
  try {
    const RepoRef ref = parse(text, endpoint);
    ADD_FAILURE() << text << " was read as " << ref.text();
  } catch (const Error& error) {
    return error;
  }
  return Error(Code::internal, "not refused");
}

struct Form {
  const char* text;
  const char* repo;
  const char* revision;
};

class HubReferenceForms : public testing::TestWithParam<Form> {};

TEST_P(HubReferenceForms, AreRead) {
  const RepoRef expected{GetParam().repo, GetParam().revision};
  EXPECT_EQ(parse(GetParam().text), expected) << parse(GetParam().text).text();
  EXPECT_EQ(parse(expected.text()), expected);
}

constexpr const char* kSha = "0123456789abcdef0123456789abcdef01234567";

INSTANTIATE_TEST_SUITE_P(
    All, HubReferenceForms,
    testing::Values(
        Form{"hf://org/name", "org/name", ""}, Form{"hf://org/name@v1.0", "org/name", "v1.0"},
        Form{"hf://models/org/name@main", "org/name", "main"}, Form{"hf://gpt2", "gpt2", ""},
        Form{"hf://models/gpt2", "gpt2", ""}, Form{"models/gpt2", "gpt2", ""},
        Form{"org/name", "org/name", ""}, Form{"gpt2@main", "gpt2", "main"},
        Form{"org/Name.v2_x-1@x", "org/Name.v2_x-1", "x"},
        Form{"hf://org/name@feature%2Fnew", "org/name", "feature/new"},
        Form{"hf://org/name@refs/pr/12", "org/name", "refs/pr/12"},
        Form{"hf://org/name@a@b", "org/name", "a@b"},
        Form{"hf://org/name@0123456789abcdef0123456789abcdef01234567", "org/name", kSha},
        Form{"https://huggingface.co/org/name", "org/name", ""},
        Form{"https://huggingface.co/org/name/", "org/name", ""},
        Form{"https://hf.co/gpt2", "gpt2", ""},
        Form{"https://huggingface.co/org/name?library=transformers#top", "org/name", ""},
        Form{"https://huggingface.co/org/name/tree/main", "org/name", "main"},
        Form{"https://huggingface.co/gpt2/tree/v1", "gpt2", "v1"},
        Form{"https://huggingface.co/org/name/tree/refs%2Fpr%2F1", "org/name", "refs/pr/1"},
        Form{"https://huggingface.co/org/name/tree/refs/pr/1", "org/name", "refs/pr/1"},
        Form{"https://huggingface.co/org/name/commit/0123456789abcdef0123456789abcdef01234567",
             "org/name", kSha},
        // A repository may be called like a page.
        Form{"https://huggingface.co/org/tree", "org/tree", ""}));

class HubReferenceMistakes : public testing::TestWithParam<const char*> {};

TEST_P(HubReferenceMistakes, AreUsageErrorsWithAHint) {
  const Error error = refused(GetParam());
  EXPECT_EQ(error.code(), Code::usage) << error.what();
  EXPECT_NE(error.hint(), "");
}

INSTANTIATE_TEST_SUITE_P(
    All, HubReferenceMistakes,
    testing::Values("", "hf://", "hf:///name", "hf://org/", "hf://org/name@", "hf://org/na me",
                    "hf://org/name@a b", "hf://org/name@../x", "hf://org/name@-x",
                    "hf://org/name@a%2", "hf://org/name@a%00", "hf://org/name@x~1",
                    "hf://o--g/name", "hf://org/na..me", "hf://org/name.git", "hf://-org/name",
                    "hf://models/models/name", "hf://api/name", "hf://org/.name", "hf://../name",
                    "hf://org/..", "org//name", "hf://org/name/config.json",
                    "hf://org/name@main/config.json", "https://huggingface.co/",
                    "https://huggingface.co/models", "https://huggingface.co/api/models/org/name",
                    "https://huggingface.co/org/name/blob/main/config.json",
                    "https://huggingface.co/org/name/tree/main/onnx",
                    "https://huggingface.co/org/name/discussions/4",
                    "https://huggingface.co/org/name/commit/", "https://huggingface.co/o%2Frg/name",
                    "https://huggingface.co:8443/org/name", "https://user@huggingface.co/org/name",
                    "http://"));

TEST(HubReference, OtherHostsAreRefusedSoThatNoTokenGoesThere) {
  const Error error = refused("https://huggingface.co.example.com/org/name");
  EXPECT_EQ(error.code(), Code::usage);
  EXPECT_NE(error.hint().find("HF_ENDPOINT"), std::string::npos);
}

TEST(HubReference, TheEndpointInUseIsAHubToo) {
  const std::string_view mirror = "https://artifacts.example/api/huggingfaceml/remote";
  EXPECT_EQ(parse("https://artifacts.example/api/huggingfaceml/remote/org/name/tree/v1", mirror),
            (RepoRef{"org/name", "v1"}));
  EXPECT_EQ(refused("https://artifacts.example/api/huggingfaceml/remoteorg/name", mirror).code(),
            Code::usage);
  EXPECT_EQ(refused("http://artifacts.example/api/huggingfaceml/remote/org/name", mirror).code(),
            Code::usage);
}

TEST(HubReference, DataSetsAndSpacesAreNamedAsSuch) {
  for (const char* text : {"hf://datasets/org/name", "hf://spaces/org/name", "datasets/org/name",
                           "datasets/name", "https://huggingface.co/datasets/org/name"})
    EXPECT_EQ(refused(text).code(), Code::unsupported) << text;
}

TEST(HubReference, AFolderInARevisionIsAnsweredWithBothPossibleMeanings) {
  const Error error = refused("hf://org/name@feature/new");
  EXPECT_NE(error.hint().find("%2F"), std::string::npos);
  EXPECT_NE(error.hint().find("--include"), std::string::npos);
}

TEST(HubReference, IdsKeepTheHubsLimits) {
  EXPECT_TRUE(is_repo_id(std::string(96, 'a') + "/" + std::string(96, 'b')));
  EXPECT_FALSE(is_repo_id(std::string(97, 'a')));
  EXPECT_FALSE(is_repo_id("a/b/c"));
  EXPECT_FALSE(is_repo_id("a/\xc3\xa9"));
  EXPECT_TRUE(is_repo_id("_a/b_"));
  EXPECT_THROW(check_repo_id("a/b/"), Error);
  EXPECT_THROW(check_revision(std::string(256, 'a')), Error);
  EXPECT_THROW(check_revision("\xff"), Error);
  EXPECT_TRUE(is_commit(kSha));
  EXPECT_FALSE(is_commit("0123456789ABCDEF0123456789abcdef01234567"));
}

TEST(HubReference, TheNameIsTheLastPart) {
  EXPECT_EQ(parse("hf://org/name@v1").last_part(), "name");
  EXPECT_EQ(parse("gpt2").last_part(), "gpt2");
  EXPECT_EQ(parse("hf://org/name@v1").uri(), "hf://org/name");
}

}  // namespace
}  // namespace dray::hub
