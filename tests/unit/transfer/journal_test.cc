#include "dray/transfer/journal.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dray/base/error.h"
#include "dray/base/json.h"

namespace dray {
namespace {

Journal sample() {
  Journal journal;
  journal.writer = {"w1", "host-7", "boot ns", 42, 4711};
  journal.name = "llama";
  journal.version = "1.0.0";
  journal.source = "hf://a/b@c";
  journal.plan = "p";
  journal.created = 1'786'000'000;
  journal.keys = {"model-data/llama/1.0.0/a", "model-data/llama/1.0.0/b"};
  JournalObject begun;
  begun.key = journal.keys[0];
  begun.upload = {
      "upload-1", 1000, {{0, 1000, 0xAE8B14860A799888, "\"e0\""}, {3, 17, 1, ""}}, 0xC07};
  begun.hash = SavedHash{1000, "state", "state of the file"};
  JournalObject done;
  done.key = journal.keys[1];
  done.done = ObjectResult{journal.keys[1], 5, "abc", 0, {7}, "\"e\"", false};
  done.done->input_sha256 = "def";
  done.done->report = R"({"w":[0.5,0.25]})";
  journal.objects = {begun, done};
  return journal;
}

TEST(Journal, ReadsWhatItWrites) {
  const std::string text = to_json_text(sample());
  const Journal read = parse_journal(text, "journal");
  EXPECT_EQ(to_json_text(read), text);
  ASSERT_NE(read.find("model-data/llama/1.0.0/a"), nullptr);
  EXPECT_EQ(read.find("model-data/llama/1.0.0/a")->upload.parts[0].crc64, 0xAE8B14860A799888);
  EXPECT_EQ(read.find("model-data/llama/1.0.0/a")->upload.cut, 0xC07U);
  EXPECT_EQ(read.find("model-data/llama/1.0.0/a")->hash->unit, "state of the file");
  EXPECT_EQ(read.find("model-data/llama/1.0.0/b")->done->moved, false);
  EXPECT_EQ(read.find("model-data/llama/1.0.0/b")->done->input_sha256, "def");
  EXPECT_EQ(read.find("model-data/llama/1.0.0/b")->done->report, R"({"w":[0.5,0.25]})");
  EXPECT_EQ(read.find("model-data/llama/1.0.0/c"), nullptr);
}

TEST(Journal, ObjectsAreFoundWhateverTheirOrder) {
  Json json = parse_json(to_json_text(sample()), "x");
  std::swap(json["objects"][0], json["objects"][1]);
  EXPECT_NE(parse_journal(json.dump(), "x").find("model-data/llama/1.0.0/a"), nullptr);
}

TEST(Journal, UnknownFieldsAreIgnoredAndNewerVersionsRefused) {
  Json json = parse_json(to_json_text(sample()), "x");
  json["later"] = 1;
  EXPECT_NO_THROW(parse_journal(json.dump(), "x"));
  json["format_version"] = 2;
  try {
    parse_journal(json.dump(), "x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::unsupported);
  }
}

TEST(Journal, BrokenOnesAreMalformed) {
  const Json good = parse_json(to_json_text(sample()), "x");
  const auto refused = [](const Json& json) {
    try {
      parse_journal(json.dump(), "x");
      return false;
    } catch (const Error& error) {
      return error.code() == Code::malformed;
    }
  };
  Json json = good;
  json["keys"][0] = "../outside";
  EXPECT_TRUE(refused(json));
  json = good;
  json["objects"][0]["key"] = "/etc/passwd";
  EXPECT_TRUE(refused(json));
  json = good;
  json["objects"][0]["upload"]["parts"][0][2] = "xyz";
  EXPECT_TRUE(refused(json));
  json = good;
  json["objects"][0]["upload"]["parts"][0] = 3;
  EXPECT_TRUE(refused(json));
  json = good;
  json.erase("plan");
  EXPECT_TRUE(refused(json));
  json = good;
  json["format"] = "other";
  EXPECT_TRUE(refused(json));
  EXPECT_TRUE(refused(Json::array()));
}

TEST(Writer, ThisProcessLivesAndAGoneOneIsDead) {
  const Writer me = this_writer();
  EXPECT_FALSE(surely_dead(me));
  EXPECT_NE(this_writer().id, me.id);
  Writer other_start = me;
  other_start.started += 1;  // the pid was given to another process
  EXPECT_TRUE(surely_dead(other_start));
  Writer elsewhere = other_start;
  elsewhere.machine = "another";
  EXPECT_FALSE(surely_dead(elsewhere)) << "pids of other machines say nothing";

  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  Writer gone = me;
  gone.pid = child;
  EXPECT_TRUE(surely_dead(gone));
}

TEST(PlanDigest, ChangesWithWhatIsTransferred) {
  TransferPlan plan;
  plan.units.push_back({"a", 10, {"sha", ""}});
  ObjectPlan object;
  object.spec.key = "k/a";
  object.spec.size = 10;
  object.segments = {SourceSegment{0, {0, 10}}};
  plan.objects.push_back(object);
  const std::string digest = plan_digest(plan);
  TransferPlan other = plan;
  other.units[0].digests.sha256 = "sha2";
  EXPECT_NE(plan_digest(other), digest);
  other = plan;
  other.objects[0].spec.key = "k/b";
  EXPECT_NE(plan_digest(other), digest);
  EXPECT_EQ(plan_digest(TransferPlan(plan)), digest);
}

TEST(PlanDigest, ChangesWithHowItIsMade) {
  struct Named : Transform {
    explicit Named(std::string name) : name_(std::move(name)) {}
    std::uint64_t output_size() const override { return 10; }
    std::string identity() const override { return name_; }
    void restart() override {}
    void feed(Bytes, TransformOutput&) override {}
    void finish(TransformOutput&) override {}
    std::string name_;
  };
  const auto made_by = [](const std::string& name) {
    TransferPlan plan;
    plan.units.push_back({"a", 10, {"sha", ""}});
    plan.objects.emplace_back();
    plan.objects[0].segments = {SourceSegment{0, {0, 10}}};
    if (!name.empty()) plan.objects[0].transform = std::make_shared<Named>(name);
    return plan_digest(plan);
  };
  const auto literal = [](std::string_view text) {
    TransferPlan plan;
    plan.objects.emplace_back();
    const Bytes bytes = as_bytes(text);
    plan.objects[0].segments = {
        LiteralSegment{std::make_shared<const Buffer>(bytes.begin(), bytes.end())}};
    return plan_digest(plan);
  };
  EXPECT_NE(made_by("W8A8"), made_by("FP8_DYNAMIC"));
  EXPECT_NE(made_by("W8A8"), made_by(""));
  EXPECT_EQ(made_by("W8A8"), made_by("W8A8"));
  EXPECT_NE(literal("one"), literal("two"));
}

}  // namespace
}  // namespace dray
