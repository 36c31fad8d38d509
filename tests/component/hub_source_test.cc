// A Hub repository as a source, from the Hub itself and from mirrors that keep less of its API.
#include "dray/source/hub_source.h"

#include <gtest/gtest.h>

#include <atomic>

#include "dray/base/digest.h"
#include "tests/support/hub_world.h"

namespace dray {
namespace {

using test::FakeHub;
using test::HubQuirks;
using test::RawRequest;
using test::RawResponse;

class HubSourceTest : public test::HubWorld {
 protected:
  HubSourceTest() { commit_ = put(); }

  std::string put() {
    return hub_.put(
        {.id = "Org/Model-7B",
         .files = {test::lfs_file("model-00002-of-00002.safetensors", second_),
                   test::lfs_file("model-00001-of-00002.safetensors", first_),
                   test::git_file("config.json", "{\"a\":1}"),
                   test::git_file("original/p a r\xc3\xa4ms.json", "{}"),
                   test::git_file("empty.txt", "")},
         .card = R"({"license":"mit","base_model":["org/base"],"language":["en","de"]})",
         .pipeline_tag = "text-generation",
         .library = "transformers",
         .tags = {"safetensors"}});
  }

  HubSource source(hub::RepoRef ref = {"Org/Model-7B", ""}) {
    return HubSource(std::move(ref), options(2));
  }

  std::string read(Source& from, const FileEntry& file) {
    Buffer out(file.size);
    from.read(file, 0, out, {});
    return std::string(as_text(out));
  }

  std::string content_of(const std::string& path) {
    if (path == "model-00001-of-00002.safetensors") return first_;
    if (path == "model-00002-of-00002.safetensors") return second_;
    if (path == "config.json") return "{\"a\":1}";
    return path == "empty.txt" ? "" : "{}";
  }

  /// All files as the mirror gives them: their content is right, and `with_digests` of them state
  /// one.
  void expect_all_right(HubSource& from, const Snapshot& snapshot, std::size_t with_digests) {
    ASSERT_EQ(snapshot.files.size(), 5u);
    std::size_t stated = 0;
    for (const FileEntry& file : snapshot.files) {
      const std::string content = content_of(file.path);
      EXPECT_EQ(file.size, content.size()) << file.path;
      EXPECT_EQ(read(from, file), content) << file.path;
      stated += file.digests.any();
      if (!file.digests.sha256.empty()) {
        EXPECT_EQ(file.digests.sha256, Sha256::hex_of(as_bytes(content)));
      }
      if (!file.digests.git_sha1.empty()) {
        EXPECT_EQ(file.digests.git_sha1, GitBlobSha1::hex_of(as_bytes(content)));
      }
    }
    EXPECT_EQ(stated, with_digests);
  }

  const std::string first_ = some_text(5'000'000, 1), second_ = some_text(300'000, 2);
  std::string commit_;
};

TEST_F(HubSourceTest, ASnapshotIsPinnedSortedAndComplete) {
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  EXPECT_EQ(snapshot.origin, (Origin{"hf", "hf://Org/Model-7B", "main", commit_, hub_.url()}));
  EXPECT_EQ(snapshot.default_name, "Model-7B");
  EXPECT_EQ(snapshot.files[0].path, "config.json");
  EXPECT_NE(snapshot.find("original/p a r\xc3\xa4ms.json"), nullptr);
  EXPECT_EQ(snapshot.info.license, "mit");
  EXPECT_EQ(snapshot.info.base_models, std::vector<std::string>{"org/base"});
  EXPECT_EQ(snapshot.info.pipeline_tag, "text-generation");
  EXPECT_TRUE(from.random_access());
  expect_all_right(from, snapshot, 5);
  EXPECT_EQ(hub_.count("HEAD", ""), 0u) << "the tree said it all";
  EXPECT_FALSE(hub_.token_leaked());
}

TEST_F(HubSourceTest, ReadingStaysAtTheCommitThatWasPinned) {
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  hub_.put({.id = "Org/Model-7B", .files = {test::git_file("config.json", "[2,3,4]")}});
  EXPECT_EQ(read(from, *snapshot.find("config.json")), "{\"a\":1}");
}

TEST_F(HubSourceTest, TheNameIsTheOneTypedAndTheOriginTheHubs) {
  hub_.put({.id = "org/model-7b", .renamed_to = "Org/Model-7B"});
  HubSource from = source({"org/model-7b", "main"});
  const Snapshot snapshot = from.snapshot({});
  EXPECT_EQ(snapshot.origin.uri, "hf://Org/Model-7B");
  EXPECT_EQ(snapshot.default_name, "model-7b");
  EXPECT_EQ(read(from, *snapshot.find("config.json")), "{\"a\":1}");
}

TEST_F(HubSourceTest, AGatedRepositoryFailsBeforeTheFirstByte) {
  hub_.put({.id = "org/gated", .files = {test::git_file("config.json", "{}")}, .gated = "auto"});
  HubSource from = source({"org/gated", ""});
  EXPECT_EQ(error_of([&] { from.snapshot({}); }).code(), Code::gated);
}

TEST_F(HubSourceTest, ADisabledOneIsSaidToBe) {
  hub_.hub_fault([](const RawRequest&, RawResponse& response) {
    response.body = R"({"id":"Org/Model-7B","disabled":true})";
  });
  HubSource from = source();
  EXPECT_NE(std::string(error_of([&] { from.snapshot({}); }).what()).find("disabled"),
            std::string::npos);
}

TEST_F(HubSourceTest, AnEmptyRepositoryIsSaidToBe) {
  hub_.put({.id = "org/empty"});
  HubSource from = source({"org/empty", ""});
  EXPECT_EQ(error_of([&] { from.snapshot({}); }).code(), Code::not_found);
}

TEST_F(HubSourceTest, AnUnsafePathAnywhereRefusesTheWholeListing) {
  for (const char* path :
       {"../evil", "/etc/passwd", "a/./b", "C:/x", "config.json/x", "CONFIG.JSON"}) {
    hub_.put({.id = "org/bad",
              .files = {test::git_file("config.json", "{}"), test::git_file(path, "x")}});
    HubSource from = source({"org/bad", ""});
    EXPECT_EQ(error_of([&] { from.snapshot({}); }).code(), Code::malformed) << path;
  }
  hub_.quirks({.tree = false, .sibling_sizes = false});  // each file would be asked for
  HubSource from = source({"org/bad", ""});
  EXPECT_EQ(error_of([&] { from.snapshot({}); }).code(), Code::malformed);
  EXPECT_EQ(hub_.count("GET", "/resolve/"), 0u);
  EXPECT_EQ(hub_.count("HEAD", "/resolve/"), 0u);
}

TEST_F(HubSourceTest, TenThousandFilesComeInTenRequests) {
  test::FakeRepo repo{.id = "org/many"};
  for (int i = 0; i < 10'000; ++i) {
    test::FakeFile file = test::git_file("d/" + std::to_string(i) + ".json", "{}");
    file.git_sha1 = std::string(40, 'e');
    repo.files.push_back(std::move(file));
  }
  hub_.put(std::move(repo));
  HubSource from = source({"org/many", ""});
  EXPECT_EQ(from.snapshot({}).files.size(), 10'000u);
  EXPECT_LE(hub_.hub_requests().size(), 14u);
}

TEST_F(HubSourceTest, AFileThatChangedIsAPermanentError) {
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  hub_.cdn_fault([](const RawRequest&, RawResponse& response) {
    for (auto& [name, value] : response.headers)
      if (name == "Content-Range") value = value.substr(0, value.find('/')) + "/5000001";
  });
  const FileEntry& file = *snapshot.find("model-00001-of-00002.safetensors");
  Buffer out(1000);
  const Error error = error_of([&] { from.read(file, 0, out, {}); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_FALSE(error.retryable());
}

struct Mirror {
  const char* name;
  HubQuirks quirks;
  std::size_t with_digests;
  bool ranges;
  bool commit;
};

void PrintTo(const Mirror& mirror, std::ostream* out) { *out << mirror.name; }

class HubMirrors : public HubSourceTest, public testing::WithParamInterface<Mirror> {};

TEST_P(HubMirrors, GiveTheSameFiles) {
  hub_.quirks(GetParam().quirks);
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  EXPECT_EQ(from.random_access(), GetParam().ranges);
  EXPECT_EQ(!snapshot.origin.commit.empty(), GetParam().commit);
  expect_all_right(from, snapshot, GetParam().with_digests);

  // In order, in one pass, in pieces that fit no boundary.
  const auto reader = from.open_ordered(snapshot.files, {});
  std::size_t seen = 0;
  while (const FileEntry* file = reader->next()) {
    ++seen;
    std::string got;
    while (got.size() < file->size) {
      Buffer piece(std::min<std::uint64_t>(777'777, file->size - got.size()));
      reader->read(piece);
      got += as_text(piece);
    }
    EXPECT_EQ(got, content_of(file->path)) << file->path;
  }
  EXPECT_EQ(seen, 5u);
}

INSTANTIATE_TEST_SUITE_P(
    All, HubMirrors,
    testing::Values(
        Mirror{"the Hub", {}, 5, true, true},
        Mirror{"files through a relative 307", {.resolve_cache = true}, 5, true, true},
        Mirror{"no commit in headers, unquoted tags",
               {.commit_header = false, .quoted_etags = false},
               5,
               true,
               true},
        Mirror{"no tree, sizes in siblings", {.tree = false}, 5, true, true},
        Mirror{"no tree, names only", {.tree = false, .sibling_sizes = false}, 5, true, true},
        Mirror{"no tree, no HEAD",
               {.tree = false, .sibling_sizes = false, .head = false},
               4,
               true,
               true},
        Mirror{"no tree, foreign tags",
               {.tree = false, .commit_header = false, .sibling_sizes = false},
               2,
               true,
               true},
        Mirror{"no digests anywhere",
               {.commit_header = false, .digests = false, .etags = false, .linked_headers = false},
               0,
               true,
               true},
        Mirror{"all from one origin, ranges ignored",
               {.commit_header = false, .ranges = false, .cdn = false},
               5,
               false,
               true},
        Mirror{"307 to a storage that ignores ranges",
               {.linked_headers = false, .ranges = false, .redirect_status = 307},
               5,
               false,
               true},
        Mirror{
            "no commit at all",
            {.tree = false, .info_commit = false, .commit_header = false, .sibling_sizes = false},
            2,
            true,
            false},
        Mirror{"the commit in headers only",
               {.tree = false, .info_commit = false, .sibling_sizes = false},
               5,
               true,
               true}));

TEST_F(HubSourceTest, ACutStreamFailsItsFileAndIsTransient) {
  hub_.quirks({.ranges = false});
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  hub_.cdn_fault([](const RawRequest&, RawResponse& response) { response.reset_after = 100'000; });
  const auto reader = from.open_ordered(snapshot.files, {});
  Error error(Code::internal, "none");
  while (const FileEntry* file = reader->next()) {
    Buffer out(file->size);
    try {
      if (file->size > 0) reader->read(out);
    } catch (const Error& thrown) {
      error = thrown;
      break;
    }
  }
  EXPECT_EQ(error.code(), Code::network);
  EXPECT_TRUE(error.retryable());
}

TEST_F(HubSourceTest, AStreamThatIsTooLongIsFoundAtTheEndOfItsFile) {
  hub_.quirks({.ranges = false});
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  hub_.cdn_fault([](const RawRequest&, RawResponse& response) {
    response.headers.clear();
    response.body += "more";
  });
  const FileEntry file = *snapshot.find("model-00002-of-00002.safetensors");
  const auto reader = from.open_ordered({file}, {});
  const Error error = error_of([&] {
    reader->next();
    Buffer out(file.size);
    reader->read(out);
    reader->next();
  });
  EXPECT_EQ(error.code(), Code::verification);
}

TEST_F(HubSourceTest, AReaderThatIsGivenUpEndsItsRequest) {
  hub_.quirks({.ranges = false});
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  hub_.cdn_fault([](const RawRequest&, RawResponse& response) { response.stall_after = 100'000; });
  const auto reader = from.open_ordered({*snapshot.find("model-00001-of-00002.safetensors")}, {});
  reader->next();
  Buffer out(1000);
  reader->read(out);
  EXPECT_EQ(as_text(out), first_.substr(0, 1000));
}

TEST_F(HubSourceTest, StoppingEndsAReaderThatWaits) {
  hub_.quirks({.ranges = false});
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  std::stop_source source;
  hub_.cdn_fault([&](const RawRequest&, RawResponse& response) {
    response.stall_after = 10;
    std::stop_source(source).request_stop();
  });
  const auto reader =
      from.open_ordered({*snapshot.find("model-00001-of-00002.safetensors")}, source.get_token());
  reader->next();
  Buffer out(1000);
  try {
    reader->read(out);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::cancelled);
  }
}

TEST_F(HubSourceTest, PointersFromAMirrorWithoutDigestsAreNoWeights) {
  hub_.quirks({.tree = false,
               .commit_header = false,
               .sibling_sizes = false,
               .cdn = false,
               .pointers = true});
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  const FileEntry& file = *snapshot.find("model-00001-of-00002.safetensors");
  ASSERT_LT(file.size, 200u);
  const Error error = error_of([&] { read(from, file); });
  EXPECT_EQ(error.code(), Code::verification);
  EXPECT_NE(std::string(error.what()).find("LFS pointer"), std::string::npos);
  const auto reader = from.open_ordered({file}, {});
  reader->next();
  Buffer out(file.size);
  EXPECT_THROW(reader->read(out), Error);
}

TEST_F(HubSourceTest, SmallFilesAreReadWithRetriesAndChecked) {
  HubSource from = source();
  const Snapshot snapshot = from.snapshot({});
  const FileEntry& config = *snapshot.find("config.json");
  std::atomic<int> calls = 0;
  hub_.hub_fault([&](const RawRequest&, RawResponse& response) {
    if (calls++ == 0) response = {.status = 503};
  });
  EXPECT_EQ(read_small(from, config, 1000, {}), "{\"a\":1}");
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(read_small(from, *snapshot.find("empty.txt"), 0, {}), "");
  EXPECT_EQ(error_of([&] { read_small(from, config, 6, {}); }).code(), Code::malformed);

  hub_.hub_fault([&](const RawRequest&, RawResponse& response) { response.flip_at = 3; });
  EXPECT_EQ(error_of([&] { read_small(from, config, 1000, {}); }).code(), Code::verification);
}

}  // namespace
}  // namespace dray
