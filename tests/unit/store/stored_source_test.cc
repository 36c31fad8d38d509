#include "dray/store/stored_source.h"

#include <gtest/gtest.h>

#include "dray/base/digest.h"
#include "dray/base/error.h"
#include "tests/support/memory_store.h"

namespace dray::test {
namespace {

const std::stop_token kGo;
constexpr const char* kKey = "model-data/llama/1.0.0/a.bin";

class StoreStoredSource : public testing::Test {
 protected:
  void SetUp() override {
    store_.plant(kKey, "0123456789");
    manifest_.name = "llama";
    manifest_.version = "1.0.0";
    ManifestFile file;
    file.path = "a.bin";
    file.size = 10;
    file.sha256 = Sha256::hex_of(as_bytes("0123456789"));
    file.git_sha1 = GitBlobSha1::hex_of(as_bytes("0123456789"));
    file.etag = store_.stat(kKey, kGo)->etag;
    manifest_.files.push_back(file);
    manifest_.root_digest = root_digest_of(manifest_.files);
    source_.emplace(store_, manifest_);
    file_ = source_->snapshot(kGo).files.at(0);
  }
  std::string read(std::uint64_t offset, std::size_t size) {
    Buffer out(size);
    source_->read(file_, offset, out, kGo);
    return std::string(as_text(out));
  }
  Error error_of_read() {
    try {
      read(0, 4);
    } catch (const Error& e) {
      return e;
    }
    ADD_FAILURE() << "no error";
    return Error(Code::internal, "none");
  }
  MemoryStore store_;
  Manifest manifest_;
  std::optional<StoredSource> source_;
  FileEntry file_;
};

TEST_F(StoreStoredSource, SnapshotIsTheManifest) {
  const Snapshot snapshot = source_->snapshot(kGo);
  EXPECT_EQ(snapshot.origin.kind, "release");
  EXPECT_EQ(snapshot.origin.uri, "memory:/store/model-data/llama/1.0.0/");
  EXPECT_EQ(snapshot.origin.commit, manifest_.root_digest);
  EXPECT_EQ(snapshot.default_name, "llama");
  ASSERT_EQ(snapshot.files.size(), 1u);
  EXPECT_EQ(snapshot.files[0].digests.sha256, manifest_.files[0].sha256);
  EXPECT_EQ(snapshot.files[0].digests.git_sha1, manifest_.files[0].git_sha1);
}

TEST_F(StoreStoredSource, ReadsRanges) {
  EXPECT_EQ(read(2, 3), "234");
  EXPECT_EQ(store_.count("stat"), 1u) << "the manifest's ETag needs no look at the object";
}

TEST_F(StoreStoredSource, ARestoredCopyIsReadAndLeftToTheDigests) {
  store_.plant(kKey, "0123456789");  // same bytes, another ETag
  EXPECT_EQ(read(2, 3), "234");
  EXPECT_EQ(read(5, 3), "567");
}

TEST_F(StoreStoredSource, AChangeWhileReadingIsAnError) {
  EXPECT_EQ(read(0, 3), "012");
  store_.plant(kKey, "abcdefghij");
  const Error e = error_of_read();
  EXPECT_EQ(e.code(), Code::verification);
  EXPECT_EQ(e.side(), Side::source);
  EXPECT_FALSE(e.retryable());
}

TEST_F(StoreStoredSource, AChangeAfterTheFirstPinWasReplacedIsAnErrorToo) {
  store_.plant(kKey, "0123456789");
  EXPECT_EQ(read(0, 3), "012");
  store_.plant(kKey, "abcdefghij");
  EXPECT_EQ(error_of_read().code(), Code::verification);
}

TEST_F(StoreStoredSource, AnotherSizeIsAnErrorAtOnce) {
  store_.plant(kKey, "01234567890");
  EXPECT_EQ(error_of_read().code(), Code::verification);
}

TEST_F(StoreStoredSource, AMissingObjectIsNotFoundAtTheSource) {
  store_.remove(kKey, kGo);
  const Error e = error_of_read();
  EXPECT_EQ(e.code(), Code::not_found);
  EXPECT_EQ(e.side(), Side::source);
}

TEST_F(StoreStoredSource, TransientErrorsStayTransient) {
  store_.fail("read", 1, Error(Code::network, "reset").transient());
  EXPECT_TRUE(error_of_read().retryable());
  EXPECT_EQ(read(0, 4), "0123");
}

}  // namespace
}  // namespace dray::test
