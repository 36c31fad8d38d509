// Registries as they are, and as they are on bad days: a push ends with the right image, or with
// none.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>

#include "tests/support/errors.h"
#include "tests/support/oci_world.h"

namespace dray {
namespace {

using test::RegistryAuth;
using test::RegistryFault;
using test::RegistryOp;
using test::RegistryQuirks;

struct Kind {
  const char* name;
  RegistryQuirks quirks;
  RegistryAuth auth = {};
  friend void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }
};

std::vector<Kind> kinds() {
  RegistryQuirks relative;
  relative.relative_locations = true;
  RegistryQuirks no_digests;
  no_digests.digest_header = false;
  RegistryAuth own_host = RegistryAuth::bearer();
  own_host.own_host = true;
  return {{"spec", {}},
          {"relative", relative},
          {"no_digests", no_digests},
          {"docker28", RegistryQuirks::docker28()},
          {"distribution3", RegistryQuirks::distribution3()},
          {"quay", RegistryQuirks::quay()},
          {"harbor", RegistryQuirks::harbor(), RegistryAuth::harbor(12)},
          {"zot", RegistryQuirks::zot()},
          {"ghcr", RegistryQuirks::ghcr(2'000)},
          {"google", RegistryQuirks::google()},
          {"artifactory", RegistryQuirks::artifactory(200)},
          {"artifactory204", RegistryQuirks::artifactory(204)},
          {"crane", RegistryQuirks::crane()},
          {"redirecting", RegistryQuirks::redirecting()},
          {"redirecting_bearer", RegistryQuirks::redirecting(), RegistryAuth::bearer()},
          {"basic", {}, RegistryAuth::basic()},
          {"bearer", {}, RegistryAuth::bearer()},
          {"bearer_elsewhere", {}, own_host}};
}

struct OciKinds : test::OciWorld, testing::WithParamInterface<Kind> {
  OciKinds() : OciWorld({GetParam().quirks, GetParam().auth, {}}) {}

  void expect_pushed() {
    open_and_import();
    expect_image("1.0.0");
    EXPECT_EQ(fake.faults_left(), 0u);
    EXPECT_FALSE(fake.credentials_leaked());
  }
  ImportResult open_and_import() {
    store_ = open();
    return import();
  }
  std::shared_ptr<OciStore> store_;
};

TEST_P(OciKinds, TakeAnImage) { expect_pushed(); }

TEST_P(OciKinds, AfterACutInsideALayer) {
  fake.fault({.op = RegistryOp::patch_upload, .cut_body = 1'700});
  expect_pushed();
}

TEST_P(OciKinds, AfterSeveralCuts) {
  fake.fault({.op = RegistryOp::patch_upload, .times = 4, .cut_body = 600});
  expect_pushed();
}

TEST_P(OciKinds, WhenTheUploadIsForgotten) {
  fake.fault({.op = RegistryOp::finish_upload, .forget_upload = true});
  expect_pushed();
}

TEST_P(OciKinds, WhenAnswersAreLost) {
  for (const RegistryOp op : {RegistryOp::patch_upload, RegistryOp::finish_upload,
                              RegistryOp::put_manifest, RegistryOp::start_upload})
    fake.fault({.op = op, .lose_answer = true});
  expect_pushed();
}

TEST_P(OciKinds, WhenTheServerIsBusy) {
  fake.fault({.op = RegistryOp::start_upload, .status = 503});
  fake.fault({.op = RegistryOp::patch_upload, .status = 429, .retry_after = 0});
  fake.fault({.op = RegistryOp::finish_upload, .status = 502});
  fake.fault({.op = RegistryOp::put_manifest, .status = 500});
  expect_pushed();
}

TEST_P(OciKinds, WhenTokensEndInTheMiddleOfALayer) {
  if (GetParam().auth.kind != RegistryAuth::Kind::bearer || GetParam().auth.token_uses > 0)
    GTEST_SKIP() << "has no tokens, or they end all the time";
  fake.fault({.op = RegistryOp::patch_upload, .expire_tokens = true});
  fake.fault({.op = RegistryOp::put_manifest, .expire_tokens_before = true});
  expect_pushed();
}

TEST_P(OciKinds, AreReadBackAsTheyWereWritten) {
  const Manifest made = open_and_import().manifest;
  fake.fault({.op = RegistryOp::get_blob, .times = 2, .status = 503});
  Progress progress;
  const VerifyResult result =
      verify_release(*store_, made, kDefaultTemplate, false, request.transfer, progress, {});
  EXPECT_TRUE(result.problems.empty());
  EXPECT_FALSE(fake.credentials_leaked());
}

INSTANTIATE_TEST_SUITE_P(All, OciKinds, testing::ValuesIn(kinds()),
                         [](const auto& kind) { return kind.param.name; });

struct OciFaults : test::OciWorld {};

TEST_F(OciFaults, ChunksWhereAProxyRefusesLongRequests) {
  fake.configure(
      [](test::RegistryOptions& options) { options.quirks = RegistryQuirks::cloudflare(5 << 20); });
  source.add("model-00001-of-00002.safetensors", test::pattern(11 << 20, 1));
  OciStoreOptions options = store_options();
  options.part_size = 8 << 20;
  request.transfer.block = 1 << 20;
  OciStore opened(options);
  request.store = &opened;
  import();
  expect_image("1.0.0");
  for (const auto& patch : fake.requests(RegistryOp::patch_upload)) {
    if (patch.status / 100 == 2) {
      EXPECT_LE(patch.body_bytes, 5u << 20);
    }
  }
}

TEST_F(OciFaults, ALayerThatIsTooLargeSaysWhatToDo) {
  fake.configure(
      [](test::RegistryOptions& options) { options.quirks = RegistryQuirks::quay(2'000); });
  const auto opened = open();
  const Error error = test::error_of([&] { import(); });
  EXPECT_EQ(error.code(), Code::storage);
  EXPECT_NE(error.hint().find("MAXIMUM_LAYER_SIZE"), std::string::npos);
  EXPECT_TRUE(fake.tags(test::kRepository).empty());
}

TEST_F(OciFaults, WithoutTheRightToPushNoModelByteIsRead) {
  fake.configure([](test::RegistryOptions& options) {
    options.auth = RegistryAuth::bearer();
    options.auth.default_grant = "pull";
  });
  const auto opened = open();
  const Error error = test::error_of([&] { import(); });
  EXPECT_EQ(error.code(), Code::auth);
  EXPECT_FALSE(error.hint().empty());
  EXPECT_LT(source.bytes_read(), 1'000u);
}

TEST_F(OciFaults, AStoppedPushGoesOnWhereTheRegistryIs) {
  fake.configure(
      [](test::RegistryOptions& options) { options.quirks = RegistryQuirks::distribution3(); });
  request.transfer.uploads = 1;
  request.transfer.retry.tries = 1;
  auto opened = open();
  source.before_read = [](const std::string& path, std::uint64_t offset) {
    if (path.starts_with("model-00001") && offset >= 3'000)
      throw Error(Code::cancelled, "stopped").from(Side::source);
  };
  EXPECT_EQ(test::error_of([&] { import(); }).code(), Code::cancelled);
  EXPECT_TRUE(fake.tags(test::kRepository).empty());
  EXPECT_FALSE(beside->keys("").empty()) << "there is a journal to go on from";
  source.before_read = nullptr;
  opened = open();
  import();
  expect_image("1.0.0");
  EXPECT_TRUE(beside->keys("").empty());
}

/// How docker-registry 2.8 takes a connection that ends inside of a request.
RegistryQuirks forgetful() {
  RegistryQuirks quirks = RegistryQuirks::docker28();
  quirks.after_cut = test::AfterCut::loses_bytes;
  return quirks;
}

TEST_F(OciFaults, WhatWasSentBeforeAStopIsNotSentAgain) {
  fake.configure([](test::RegistryOptions& options) { options.quirks = forgetful(); });
  auto opened = open();
  std::stop_source stop;
  source.before_read = [&](const std::string& path, std::uint64_t offset) {
    if (!path.starts_with("model-00001") || offset < 3'000) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // what came before is put
    stop.request_stop();
  };
  EXPECT_EQ(test::error_of([&] { import(stop.get_token()); }).code(), Code::cancelled);
  std::uint64_t held = 0;
  for (const auto& upload : fake.uploads()) held += upload.content.size();
  EXPECT_GE(held, 1'000u) << "parts that were put";
  source.before_read = nullptr;
  opened = open();
  import();
  expect_image("1.0.0");
  std::uint64_t sent = 0, layers = 0;
  for (const auto& patch : fake.requests(RegistryOp::patch_upload)) {
    EXPECT_TRUE(patch.complete);
    sent += patch.body_bytes;
  }
  for (const auto& layer : image("1.0.0").layers)
    if (layer.size > 1'000) layers += layer.size;  // smaller ones go in one step
  EXPECT_EQ(sent, layers);
}

TEST_F(OciFaults, AStopDoesNotWaitForARegistryThatIsSilent) {
  auto opened = open();
  std::stop_source stop;
  fake.fault({.op = RegistryOp::patch_upload, .times = 9, .silent = true});
  std::atomic<std::chrono::steady_clock::time_point> asked{};
  source.before_read = [&](const std::string& path, std::uint64_t offset) {
    if (!path.starts_with("model-00001") || offset < 3'000) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    asked = std::chrono::steady_clock::now();
    stop.request_stop();
  };
  EXPECT_EQ(test::error_of([&] { import(stop.get_token()); }).code(), Code::cancelled);
  EXPECT_LT(std::chrono::steady_clock::now() - asked.load(), std::chrono::seconds(2));
  EXPECT_FALSE(beside->keys("").empty()) << "the journal is saved all the same";
}

TEST_F(OciFaults, BytesThatTheRegistryTurnsAreNoticed) {
  const auto opened = open();
  fake.fault(
      {.op = RegistryOp::finish_upload, .times = 20, .status = 400, .code = "DIGEST_INVALID"});
  EXPECT_EQ(test::error_of([&] { import(); }).code(), Code::verification);
  EXPECT_TRUE(fake.tags(test::kRepository).empty());
}

TEST_F(OciFaults, ARequestIsTriedAsOftenAsSaidAndNotThatOftenSquared) {
  const oci::ClientOptions options = store_options().client;
  oci::Client client(options);
  const auto tries = static_cast<std::size_t>(options.retry.tries);
  fake.fault({.op = RegistryOp::start_upload, .times = 1'000, .status = 503});
  EXPECT_THROW(client.begin_upload({}), Error);
  EXPECT_EQ(fake.count(RegistryOp::start_upload), tries);
  EXPECT_THROW(client.put_blob(oci::digest_of("x"), as_bytes("x"), {}), Error);
  EXPECT_EQ(fake.count(RegistryOp::start_upload), 2 * tries);
  fake.fault({.op = RegistryOp::put_manifest, .times = 1'000, .lose_answer = true});
  EXPECT_THROW(client.put_manifest("1.0.0", oci::media::kIndex, "{}", {}), Error);
  // One more on a new connection, where a kept one died.
  EXPECT_LE(fake.count(RegistryOp::put_manifest), tries + 1);
}

TEST_F(OciFaults, AWrongByteOnceIsSentAgain) {
  auto opened = open();
  std::atomic<bool> wrong{true};
  source.after_read = [&](const std::string& path, std::uint64_t offset, MutableBytes out) {
    if (path.starts_with("model-00001") && offset == 0 && wrong.exchange(false))
      out[3] ^= std::byte{1};
    // The parts before are put when the last one comes.
    if (offset >= 4'000) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  };
  import();
  expect_image("1.0.0");
}

TEST_F(OciFaults, AStalledConnectionIsGivenUp) {
  OciStoreOptions options = store_options();
  options.client.http.stall_timeout = std::chrono::milliseconds(300);
  OciStore opened(options);
  request.store = &opened;
  fake.fault({.op = RegistryOp::patch_upload, .stall_body = 500});
  import();
  expect_image("1.0.0");
}

TEST_F(OciFaults, HtmlInsteadOfAManifestIsNoManifest) {
  const auto opened = open();
  import();
  fake.fault({.op = RegistryOp::get_manifest, .times = 20, .html = true});
  const auto again = open();
  EXPECT_EQ(test::error_of([&] { find_manifest(*again, "tiny", "1.0.0", {}); }).code(),
            Code::verification);
}

}  // namespace
}  // namespace dray
