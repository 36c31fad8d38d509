// The Hub's API as its clients use it, without a network: requests in, answers out.
#include "dray/serve/hub_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "dray/base/json.h"
#include "dray/http/url.h"
#include "tests/support/text_source.h"

namespace dray {
namespace {

using test::TextSource;
using testing::ElementsAre;
using testing::HasSubstr;

const std::map<std::string, std::string> kFiles = {
    {"README.md", "# Model\n"},
    {"a/b/c.txt", "deep"},
    {"a/x.json", "{}"},
    {"config.json", "{\"model_type\":\"llama\"}"},
    {"empty.txt", ""},
    {"model.safetensors", "0123456789"},
    {"sub dir/naïve file+1.txt", "name"},
};

class ServeHub : public testing::Test {
 protected:
  ServeHub() : source(std::make_shared<TextSource>(kFiles)) {
    source->digests["model.safetensors"].sha256 = Sha256::hex_of(as_bytes("0123456789"));
  }

  HubEndpoint& endpoint(std::size_t page_size = 1000) {
    if (!endpoint_)
      endpoint_ = std::make_unique<HubEndpoint>(
          std::vector<ServedRepo>{{.id = "org/model", .source = source},
                                  {.id = "gpt2", .source = source}},
          HubEndpointOptions{.page_size = page_size});
    return *endpoint_;
  }

  http::ServerResponse ask(http::ServerRequest request) { return endpoint().handle(request); }

  http::ServerResponse get(const std::string& target,
                           std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::ServerRequest request;
    request.method = "GET";
    const auto question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string::npos) request.query = target.substr(question + 1);
    request.headers.add("Host", "hub.example:8080");
    for (auto& [name, value] : headers) request.headers.add(name, value);
    return ask(request);
  }

  http::ServerResponse post(const std::string& path, const std::string& type,
                            const std::string& body) {
    http::ServerRequest request;
    request.method = "POST";
    request.path = path;
    request.headers.add("Content-Type", type);
    request.body = body;
    return ask(request);
  }

  static Json json(const http::ServerResponse& response) {
    return parse_json(response.body, "answer");
  }
  static std::string content(const http::ServerResponse& response) {
    if (!response.produce) return response.body;
    Buffer out(static_cast<std::size_t>(response.length));
    if (!out.empty()) response.produce(0, out);
    return std::string(as_text(out));
  }
  static std::string header(const http::ServerResponse& response, const char* name) {
    return response.headers.get(name).value_or("");
  }
  static std::vector<std::string> paths(const Json& entries) {
    std::vector<std::string> out;
    for (const auto& entry : entries) out.push_back(entry.at("path").get<std::string>());
    return out;
  }

  std::string commit() { return json(get("/api/models/org/model")).at("sha").get<std::string>(); }

  std::shared_ptr<TextSource> source;

 private:
  std::unique_ptr<HubEndpoint> endpoint_;
};

// ---- facts

TEST_F(ServeHub, InfoHasWhatClientsNeed) {
  const auto info = json(get("/api/models/org/model"));
  EXPECT_EQ(info.at("id"), "org/model");
  EXPECT_EQ(info.at("private"), false);
  EXPECT_EQ(info.at("gated"), false);
  EXPECT_EQ(info.at("disabled"), false);
  EXPECT_EQ(info.at("siblings").size(), kFiles.size());
  EXPECT_EQ(info.at("siblings")[0], Json({{"rfilename", "README.md"}}));
  EXPECT_THAT(info.at("sha").get<std::string>(), testing::MatchesRegex("[0-9a-f]+"));
  EXPECT_EQ(info.at("sha").get<std::string>().size(), 40U);
}

TEST_F(ServeHub, RepositoriesOfOneSegmentAreFound) {
  EXPECT_EQ(json(get("/api/models/gpt2")).at("id"), "gpt2");
  EXPECT_EQ(json(get("/api/models/gpt2/tree/main")).size(), 6U);
  EXPECT_EQ(content(get("/gpt2/resolve/main/a/x.json")), "{}");
}

TEST_F(ServeHub, BlobsAddSizesAndDigests) {
  const auto siblings = json(get("/api/models/org/model/revision/main?blobs=true")).at("siblings");
  EXPECT_EQ(siblings[0].at("size"), 8);
  EXPECT_EQ(siblings[0].at("blobId"), GitBlobSha1::hex_of(as_bytes("# Model\n")));
  EXPECT_FALSE(siblings[0].contains("lfs"));
  EXPECT_EQ(siblings[5].at("lfs").at("sha256"), Sha256::hex_of(as_bytes("0123456789")));
}

TEST_F(ServeHub, CommitIsTheSourcesOwnOrMadeOfTheContent) {
  const auto made = commit();
  EXPECT_EQ(commit(), made);
  auto changed = kFiles;
  changed["config.json"] += " ";
  HubEndpoint other({{.id = "m", .source = std::make_shared<TextSource>(changed)}});
  EXPECT_NE(
      parse_json(other.handle({.method = "GET", .path = "/api/models/m"}).body, "x").at("sha"),
      made);

  auto pinned = std::make_shared<TextSource>(kFiles);
  pinned->origin.commit = std::string(40, 'a');
  HubEndpoint third({{.id = "m", .source = pinned}});
  EXPECT_EQ(
      parse_json(third.handle({.method = "GET", .path = "/api/models/m"}).body, "x").at("sha"),
      std::string(40, 'a'));
  // 64 digits cost the client its caches: a shorter id is made.
  auto longer = std::make_shared<TextSource>(kFiles);
  longer->origin.commit = std::string(64, 'a');
  longer->digests = source->digests;
  HubEndpoint fourth({{.id = "m", .source = longer}});
  EXPECT_EQ(
      parse_json(fourth.handle({.method = "GET", .path = "/api/models/m"}).body, "x").at("sha"),
      made);
}

TEST_F(ServeHub, RevisionsAreMainTheCommitAndTheSourcesOwn) {
  source->origin.revision = "refs/pr/1";
  EXPECT_EQ(get("/api/models/org/model/revision/main").status, 200);
  EXPECT_EQ(get("/api/models/org/model/revision/HEAD").status, 200);  // the JavaScript client
  EXPECT_EQ(get("/api/models/org/model/revision/" + commit()).status, 200);
  EXPECT_EQ(get("/api/models/org/model/revision/refs%2Fpr%2F1").status, 200);
  EXPECT_EQ(content(get("/org/model/resolve/refs%2Fpr%2F1/a/x.json")), "{}");
  const auto unknown = get("/api/models/org/model/revision/v2");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(header(unknown, "X-Error-Code"), "RevisionNotFound");
  EXPECT_EQ(header(get("/org/model/resolve/v2/a/x.json"), "X-Error-Code"), "RevisionNotFound");
  EXPECT_EQ(header(get("/api/models/org/model/tree/v2"), "X-Error-Code"), "RevisionNotFound");
}

TEST_F(ServeHub, RefsAndWhoamiAndList) {
  const auto refs = json(get("/api/models/org/model/refs"));
  EXPECT_EQ(refs.at("branches")[0].at("name"), "main");
  EXPECT_EQ(refs.at("branches")[0].at("targetCommit"), commit());
  for (const auto* key : {"converts", "tags", "pullRequests"}) EXPECT_TRUE(refs.at(key).is_array());
  EXPECT_EQ(json(get("/api/whoami-v2")).at("type"), "user");
  EXPECT_EQ(json(get("/api/models")).size(), 2U);
}

// ---- listings

TEST_F(ServeHub, TreeOfOneLevelHasFoldersAndFiles) {
  const auto entries = json(get("/api/models/org/model/tree/main?recursive=false"));
  EXPECT_THAT(paths(entries), ElementsAre("README.md", "a", "config.json", "empty.txt",
                                          "model.safetensors", "sub dir"));
  EXPECT_EQ(entries[1].at("type"), "directory");
  EXPECT_EQ(entries[1].at("oid").get<std::string>().size(), 40U);
  EXPECT_EQ(entries[4], Json({{"type", "file"},
                              {"path", "model.safetensors"},
                              {"size", 10},
                              {"oid", entries[4].at("oid")},
                              {"lfs",
                               {{"oid", Sha256::hex_of(as_bytes("0123456789"))},
                                {"size", 10},
                                {"pointerSize", 127}}}}));
  // The blob of an LFS file is its pointer.
  EXPECT_EQ(entries[4].at("oid"),
            GitBlobSha1::hex_of(as_bytes("version https://git-lfs.github.com/spec/v1\noid sha256:" +
                                         Sha256::hex_of(as_bytes("0123456789")) + "\nsize 10\n")));
}

TEST_F(ServeHub, RecursiveTreeHasEveryFileOnce) {
  const auto entries = json(get("/api/models/org/model/tree/main?recursive=true&expand=false"));
  std::set<std::string> files;
  for (const auto& entry : entries) {
    if (entry.at("type") == "file") {
      EXPECT_TRUE(files.insert(entry.at("path").get<std::string>()).second);
    }
  }
  EXPECT_EQ(files.size(), kFiles.size());
  EXPECT_EQ(entries.size(), kFiles.size() + 3);  // a, a/b, "sub dir"
}

TEST_F(ServeHub, FoldersAreListedByEncodedPath) {
  EXPECT_THAT(paths(json(get("/api/models/org/model/tree/main/a"))),
              ElementsAre("a/b", "a/x.json"));
  EXPECT_THAT(paths(json(get("/api/models/org/model/tree/main/a%2Fb"))), ElementsAre("a/b/c.txt"));
  EXPECT_THAT(paths(json(get("/api/models/org/model/tree/main/a/b/"))), ElementsAre("a/b/c.txt"));
  EXPECT_THAT(paths(json(get("/api/models/org/model/tree/main/sub%20dir?recursive=true"))),
              ElementsAre("sub dir/naïve file+1.txt"));
}

TEST_F(ServeHub, MissingFolderIsNoEntry) {
  const auto answer = get("/api/models/org/model/tree/main/additional_chat_templates");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(header(answer, "X-Error-Code"), "EntryNotFound");
  EXPECT_EQ(header(answer, "X-Repo-Commit"), commit());
  EXPECT_EQ(get("/api/models/org/model/tree/main/config.json").status, 404);
}

TEST_F(ServeHub, PagesFollowEachOtherToTheEnd) {
  endpoint(3);
  std::string target = "/api/models/org/model/tree/main?recursive=true";
  std::vector<std::string> all;
  int pages = 0;
  while (!target.empty()) {
    const auto answer = get(target);
    ASSERT_EQ(answer.status, 200);
    for (auto& path : paths(json(answer))) all.push_back(path);
    ++pages;
    target.clear();
    if (const auto link = answer.headers.get("Link")) {
      const auto links = http::parse_link(*link);
      ASSERT_EQ(links.size(), 1U);
      EXPECT_EQ(links[0].rel, "next");
      const auto url = http::parse_url(links[0].target);
      EXPECT_EQ(url.origin(), "http://hub.example:8080");
      target = url.path + "?" + url.query;
    }
  }
  EXPECT_EQ(pages, 4);
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), kFiles.size() + 3);
}

TEST_F(ServeHub, LinksGoBackTheWayTheClientCame) {
  endpoint(3);
  const auto tls =
      get("/api/models/org/model/tree/main", {{"X-Forwarded-Proto", "https"}}).headers.get("Link");
  EXPECT_THAT(tls.value_or(""), HasSubstr("<https://hub.example:8080/"));
  http::ServerRequest hostile;
  hostile.method = "GET";
  hostile.path = "/api/models/org/model/tree/main";
  hostile.headers.add("Host", "x>; rel=\"y\"");
  EXPECT_THAT(header(ask(hostile), "Link"), testing::StartsWith("</api/models/"));
}

TEST_F(ServeHub, BadCursorsAreRefused) {
  for (const auto* query : {"cursor=-1", "cursor=x", "cursor=99999", "limit=0", "limit=a"})
    EXPECT_EQ(get(std::string("/api/models/org/model/tree/main?") + query).status, 400) << query;
  EXPECT_EQ(json(get("/api/models/org/model/tree/main?limit=2")).size(), 2U);
}

TEST_F(ServeHub, ExpandAddsTheCommit) {
  const auto entries = json(get("/api/models/org/model/tree/main?expand=True"));
  EXPECT_EQ(entries[0].at("lastCommit").at("id"), commit());
  EXPECT_EQ(entries[1].at("lastCommit").at("id"), commit());
}

TEST_F(ServeHub, PathsInfoTakesFormsAndJson) {
  const auto path = "/api/models/org/model/paths-info/main";
  // As Python sends it: a '+' is a space, and a plus sign is encoded.
  const auto form =
      post(path, "application/x-www-form-urlencoded",
           "paths=config.json&paths=sub+dir%2Fna%C3%AFve+file%2B1.txt&paths=none&expand=false");
  EXPECT_THAT(paths(json(form)), ElementsAre("config.json", "sub dir/naïve file+1.txt"));
  const auto list =
      post(path, "application/json", R"({"paths":["a","model.safetensors"],"expand":true})");
  EXPECT_THAT(paths(json(list)), ElementsAre("a", "model.safetensors"));
  EXPECT_TRUE(json(list)[1].contains("lastCommit"));
  EXPECT_THAT(paths(json(post(path, "application/json", R"({"paths":"a/x.json"})"))),
              ElementsAre("a/x.json"));
  for (const auto* body :
       {"", "[]", "{}", "{\"paths\":[1]}", "{\"paths\":", "{\"paths\":[],\"expand\":3}"})
    EXPECT_EQ(post(path, "application/json", body).status, 400) << body;
}

// ---- files

TEST_F(ServeHub, ResolveGivesBytesCommitAndETag) {
  const auto git = get("/org/model/resolve/main/config.json");
  EXPECT_EQ(git.status, 200);
  EXPECT_EQ(content(git), kFiles.at("config.json"));
  EXPECT_EQ(header(git, "X-Repo-Commit"), commit());
  EXPECT_EQ(header(git, "ETag"),
            "\"" + GitBlobSha1::hex_of(as_bytes(kFiles.at("config.json"))) + "\"");
  EXPECT_EQ(header(git, "Accept-Ranges"), "bytes");
  EXPECT_EQ(header(git, "X-Linked-Size"), std::to_string(kFiles.at("config.json").size()));
  EXPECT_EQ(header(git, "X-Xet-Hash"), "");
  const auto lfs = get("/org/model/resolve/main/model.safetensors");
  EXPECT_EQ(header(lfs, "ETag"), "\"" + Sha256::hex_of(as_bytes("0123456789")) + "\"");
  EXPECT_EQ(content(lfs), "0123456789");
}

TEST_F(ServeHub, RawGivesPointersOfLfsFiles) {
  // The JavaScript client looks there for whether a file exists.
  EXPECT_EQ(content(get("/org/model/raw/main/config.json")), kFiles.at("config.json"));
  const auto pointer = get("/org/model/raw/main/model.safetensors");
  EXPECT_EQ(pointer.body, "version https://git-lfs.github.com/spec/v1\noid sha256:" +
                              Sha256::hex_of(as_bytes("0123456789")) + "\nsize 10\n");
  EXPECT_EQ(header(pointer, "ETag"), "\"" + GitBlobSha1::hex_of(as_bytes(pointer.body)) + "\"");
  EXPECT_EQ(header(get("/org/model/raw/main/none"), "X-Error-Code"), "EntryNotFound");
}

TEST_F(ServeHub, NamesArriveEncoded) {
  EXPECT_EQ(content(get("/org/model/resolve/main/sub%20dir/na%C3%AFve%20file%2B1.txt")), "name");
  EXPECT_EQ(get("/org/model/resolve/main/sub%2").status, 400);
}

TEST_F(ServeHub, RangesAreExact) {
  const auto part = get("/org/model/resolve/main/model.safetensors", {{"Range", "bytes=2-4"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(content(part), "234");
  EXPECT_EQ(header(part, "Content-Range"), "bytes 2-4/10");
  const auto tail = get("/org/model/resolve/main/model.safetensors", {{"Range", "bytes=8-"}});
  EXPECT_EQ(content(tail), "89");
  EXPECT_EQ(header(tail, "Content-Range"), "bytes 8-9/10");
  const auto end = get("/org/model/resolve/main/model.safetensors", {{"Range", "bytes=10-"}});
  EXPECT_EQ(end.status, 416);
  EXPECT_EQ(header(end, "Content-Range"), "bytes */10");
  EXPECT_FALSE(end.produce);
}

TEST_F(ServeHub, RangeOfAnotherContentGetsTheWhole) {
  const std::string path = "/org/model/resolve/main/model.safetensors";
  const auto etag = header(get(path), "ETag");
  EXPECT_EQ(get(path, {{"Range", "bytes=2-4"}, {"If-Range", etag}}).status, 206);
  EXPECT_EQ(get(path, {{"Range", "bytes=2-4"}, {"If-Range", "\"other\""}}).status, 200);
}

TEST_F(ServeHub, HeadKnowsTheWholeLength) {
  http::ServerRequest request;
  request.method = "GET";
  request.head_only = true;
  request.path = "/org/model/resolve/main/model.safetensors";
  request.headers.add("Range", "bytes=0-0");
  const auto answer = ask(request);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.length, 10U);
}

TEST_F(ServeHub, KnownContentIsNotSentAgain) {
  const std::string path = "/org/model/resolve/main/model.safetensors";
  const auto etag = header(get(path), "ETag");
  for (const auto& list : {etag, "W/" + etag, "\"x\", " + etag, std::string("*")}) {
    const auto answer = get(path, {{"If-None-Match", list}});
    EXPECT_EQ(answer.status, 304) << list;
    EXPECT_FALSE(answer.produce);
    EXPECT_EQ(header(answer, "ETag"), etag);
  }
  EXPECT_EQ(get(path, {{"If-None-Match", "\"x\""}}).status, 200);
}

TEST_F(ServeHub, EmptyFilesTellTheirSizeToEveryClient) {
  const auto plain = get("/org/model/resolve/main/empty.txt");
  EXPECT_EQ(plain.status, 200);
  EXPECT_EQ(plain.length, 0U);
  EXPECT_EQ(header(plain, "X-Linked-Size"), "0");
  // The JavaScript client asks so and reads the size after the '/'.
  const auto ranged = get("/org/model/resolve/main/empty.txt", {{"Range", "bytes=0-0"}});
  EXPECT_EQ(ranged.status, 200);
  EXPECT_EQ(header(ranged, "Content-Range"), "bytes */0");
}

TEST_F(ServeHub, MissingFileIsNoEntryOfThatCommit) {
  for (const auto* path : {"none.txt", "a", "a/b", "../config.json", "%2e%2e/config.json",
                           "a//x.json", "config.json%00", ""}) {
    const auto answer = get(std::string("/org/model/resolve/main/") + path);
    EXPECT_EQ(answer.status, 404) << path;
    if (*path != '\0') {
      EXPECT_EQ(header(answer, "X-Error-Code"), "EntryNotFound") << path;
      EXPECT_EQ(header(answer, "X-Repo-Commit"), commit()) << path;
    }
  }
}

// ---- what is not there

TEST_F(ServeHub, UnknownRepositoriesHaveTheirCode) {
  for (const auto* path : {"/api/models/org/other", "/api/models/other",
                           "/api/models/org/other/tree/main", "/org/other/resolve/main/x",
                           "/api/datasets/org/model", "/api/spaces/org/model/tree/main"}) {
    const auto answer = get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(header(answer, "X-Error-Code"), "RepoNotFound") << path;
    EXPECT_NE(header(answer, "X-Error-Message"), "");
    EXPECT_TRUE(json(answer).contains("error"));
  }
}

TEST_F(ServeHub, UnknownPagesAre404WithoutACode) {
  for (const auto* path :
       {"/", "/api", "/api/agent-harnesses", "/api/models/org/model/commits/main", "/org/model",
        "/org/model/blob/main/config.json", "/favicon.ico", "/api/models/org/model/refs/x"}) {
    const auto answer = get(path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(header(answer, "X-Error-Code"), "") << path;
  }
}

TEST_F(ServeHub, NothingIsWritten) {
  http::ServerRequest request;
  for (const auto* method : {"PUT", "DELETE", "POST", "PATCH"}) {
    request.method = method;
    request.path = "/org/model/resolve/main/config.json";
    EXPECT_EQ(ask(request).status, 405) << method;
    request.path = "/api/models/org/model";
    EXPECT_EQ(ask(request).status, 405) << method;
  }
  EXPECT_EQ(get("/api/models/org/model/paths-info/main").status, 405);
}

// ---- sources

TEST_F(ServeHub, FilesAreHashedOnceAndOnlyWhereNothingIsStated) {
  std::uint64_t bytes = 0;
  for (const auto& [path, text] : kFiles)
    if (path != "model.safetensors") bytes += text.size();
  get("/api/models/org/model");
  get("/api/models/org/model/tree/main");
  get("/org/model/resolve/main/config.json");
  EXPECT_EQ(source->read_bytes, bytes);
  EXPECT_EQ(source->snapshots, 1);
}

TEST_F(ServeHub, ASourceThatFailedIsAskedAgain) {
  source->fail_next = true;
  EXPECT_THROW(get("/api/models/org/model"), Error);
  EXPECT_EQ(get("/api/models/org/model").status, 200);
}

TEST_F(ServeHub, LargeFilesWithoutDigestAreServedAsLfs) {
  const std::string large(11 << 20, 'x');
  HubEndpoint other({{.id = "m",
                      .source = std::make_shared<TextSource>(std::map<std::string, std::string>{
                          {"big.bin", large}, {"small.bin", "x"}})}});
  const auto entries =
      parse_json(other.handle({.method = "GET", .path = "/api/models/m/tree/main"}).body, "x");
  EXPECT_EQ(entries[0].at("lfs").at("oid"), Sha256::hex_of(as_bytes(large)));
  EXPECT_FALSE(entries[1].contains("lfs"));
}

TEST_F(ServeHub, SourcesThatReadInOrderOnlyAreRefused) {
  source->ranges = false;
  try {
    get("/api/models/org/model");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
  }
}

TEST(ServeHubIds, AreCheckedAsTheClientsDo) {
  const auto source = std::make_shared<TextSource>(kFiles);
  for (const auto* id : {"", "a/b/c", "/a", "a/", "a--b", "a..b", "a.git", "a b", "a?b"})
    EXPECT_THROW(HubEndpoint({{.id = id, .source = source}}), Error) << id;
  EXPECT_THROW(HubEndpoint({{.id = "a", .source = source}, {.id = "a", .source = source}}), Error);
}

}  // namespace
}  // namespace dray
