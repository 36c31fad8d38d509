#include "dray/model/tar_writer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "dray/base/error.h"
#include "dray/model/tar_header.h"
#include "tests/support/errors.h"
#include "tests/support/tar_archives.h"

namespace dray::tar {
namespace {

using test::error_of;
using test::golden_archive;

constexpr std::uint64_t kTime = 1'700'000'000;

/// The layer's bytes, with members' data from `contents`.
std::string filled(const LayerPlan& plan, const std::vector<Member>& members,
                   const std::map<std::string, std::string>& contents) {
  std::string out;
  for (const auto& piece : plan.pieces) {
    EXPECT_EQ(piece.offset, out.size());
    out += piece.member ? contents.at(members.at(*piece.member).path)
                        : std::string(as_text(piece.literal));
  }
  EXPECT_EQ(plan.size, out.size());
  return out;
}

TEST(TarWriter, GivesTheBytesOfGnuTar) {
  const std::string folder = "models/" + std::string(90, 'f');
  const std::string deep = "models/" + std::string(120, 'd');
  const std::map<std::string, std::string> contents = {
      {"models/Größe-模型.txt", "utf8"},
      {"models/config.json", R"({"a":1})"},
      {deep + "/" + std::string(180, 'e'), "longer"},
      {folder + "/" + std::string(60, 'n') + ".txt", "long"},
      {"models/weights.bin", std::string(600, 'w')}};
  // The order of the list does not matter: here it is backwards.
  std::vector<Member> members;
  for (auto at = contents.rbegin(); at != contents.rend(); ++at)
    members.push_back({at->first, at->second.size()});
  const auto plan = plan_layer(members, parent_folders(members), {.mtime = kTime});
  EXPECT_EQ(filled(plan, members, contents), as_text(golden_archive("layer")));
}

TEST(TarWriter, GivesTheBytesOfPythonWhereNamesAreShort) {
  const std::vector<Member> members = {{"models/config.json", 7}, {"models/empty", 0}};
  const auto plan = plan_layer(members, parent_folders(members), {.mtime = kTime});
  auto bytes = filled(plan, members, {{"models/config.json", R"({"a":1})"}, {"models/empty", ""}});
  // Python fills up to 10,240 bytes.
  ASSERT_LE(bytes.size(), 10240U);
  bytes.resize(10240);
  EXPECT_EQ(bytes, as_text(golden_archive("layer_python")));
}

TEST(TarWriter, SizesOfEightGiBAndMoreAreBase256) {
  EXPECT_EQ(as_text(file_header("models/large.bin", 9 * kGiB, 0644, kTime)),
            as_text(golden_archive("python_large_gnu")));
  // 8 GiB - 1 is the last one of eleven octal digits.
  const auto last = file_header("x", 8 * kGiB - 1);
  EXPECT_EQ(as_text(last).substr(124, 12), std::string_view("77777777777\0", 12));
  const auto first = file_header("x", 8 * kGiB);
  EXPECT_EQ(as_text(first).substr(124, 12), std::string_view("\x80\0\0\0\0\0\0\2\0\0\0\0", 12));
  EXPECT_EQ(first.size(), kBlock);
}

TEST(TarWriter, NamesOfMoreThanAHundredBytesCostARecord) {
  EXPECT_EQ(file_header(std::string(100, 'a'), 1).size(), 512U);
  EXPECT_EQ(file_header(std::string(101, 'a'), 1).size(), 1536U);
  EXPECT_EQ(folder_header(std::string(99, 'a')).size(), 512U);
  EXPECT_EQ(folder_header(std::string(100, 'a')).size(), 1536U);
  // The record's body ends in a NUL: 511 bytes fit one block, 512 do not.
  EXPECT_EQ(file_header(std::string(511, 'a'), 1).size(), 1536U);
  EXPECT_EQ(file_header(std::string(512, 'a'), 1).size(), 2048U);
}

TEST(TarWriter, AFolderIsTheSameWithAndWithoutItsSlash) {
  EXPECT_EQ(folder_header("models"), folder_header("models/"));
  const auto header = folder_header("models");
  EXPECT_TRUE(as_text(header).starts_with(std::string_view("models/\0", 8)));
  EXPECT_EQ(as_text(header).substr(100, 8), std::string_view("0000755\0", 8));
  EXPECT_EQ(as_text(header)[156], '5');
}

TEST(TarWriter, ModesAndTimesAreTheCallers) {
  const auto header = file_header("x", 0, 0600, 8);
  EXPECT_EQ(as_text(header).substr(100, 8), std::string_view("0000600\0", 8));
  EXPECT_EQ(as_text(header).substr(136, 12), std::string_view("00000000010\0", 12));
  EXPECT_EQ(error_of([] { file_header("x", 0, 0644, UINT64_MAX); }).code(), Code::malformed);
}

TEST(TarWriter, Padding) {
  EXPECT_EQ(padding(0), 0U);
  EXPECT_EQ(padding(1), 511U);
  EXPECT_EQ(padding(511), 1U);
  EXPECT_EQ(padding(512), 0U);
  EXPECT_EQ(padding(513), 511U);
  EXPECT_EQ(archive_end(), Buffer(1024));
}

struct BadName {
  const char* title;
  std::string path;
  Code code = Code::malformed;
};

class TarWriterBadName : public testing::TestWithParam<BadName> {};

TEST_P(TarWriterBadName, IsRefused) {
  const auto& [title, path, code] = GetParam();
  EXPECT_EQ(error_of([&] { file_header(path, 1); }).code(), code);
  EXPECT_EQ(error_of([&] { folder_header(path); }).code(), code);
  const std::vector<Member> members = {{path, 1}};
  EXPECT_EQ(error_of([&] { plan_layer(members, {}); }).code(), code);
}

INSTANTIATE_TEST_SUITE_P(
    Names, TarWriterBadName,
    testing::Values(BadName{"Empty", ""}, BadName{"Absolute", "/models/x"}, BadName{"Root", "/"},
                    BadName{"EmptyPart", "models//x"}, BadName{"Dot", "./models/x"},
                    BadName{"DotInside", "models/./x"}, BadName{"DotDot", "models/../x"},
                    BadName{"OnlyDotDot", ".."}, BadName{"Nul", std::string("models/a\0b", 10)},
                    BadName{"TooLong", std::string(4097, 'a')},
                    BadName{"Whiteout", "models/.wh.config.json", Code::unsupported},
                    BadName{"OpaqueFolder", "models/.wh..wh..opq/x", Code::unsupported}),
    [](const auto& param) { return std::string(param.param.title); });

TEST(TarWriter, AFilesPathHasNoSlashAtItsEnd) {
  EXPECT_EQ(error_of([] { file_header("models/", 1); }).code(), Code::malformed);
}

TEST(TarWriter, NamesThatOnlyLookBadAreTaken) {
  for (const char* path : {"..a", "a..", "...", ".a", "a/.wh", "a/x.wh.y"})
    EXPECT_EQ(file_header(path, 1).size(), 512U) << path;
  EXPECT_EQ(file_header(std::string(4096, 'a'), 1).size(), 512U + 4608U + 512U);
}

TEST(TarWriter, FoldersComeOnceBeforeTheirFirstMember) {
  const std::vector<Member> members = {
      {"models/a", 1}, {"models/b/c/x", 1}, {"models/b/y", 1}, {"models/b-", 1}};
  EXPECT_EQ(parent_folders(members),
            (std::vector<std::string>{"models", "models/b", "models/b/c"}));
  const auto plan = plan_layer(members, parent_folders(members));
  std::vector<std::string> names;
  for (const auto& entry : test::entries_of(filled(
           plan, members,
           {{"models/a", "1"}, {"models/b/c/x", "2"}, {"models/b/y", "3"}, {"models/b-", "4"}})))
    names.push_back(entry.path);
  EXPECT_EQ(names, (std::vector<std::string>{"models/", "models/a", "models/b-", "models/b/",
                                             "models/b/c/", "models/b/c/x", "models/b/y"}));
}

TEST(TarWriter, OnlyTheFoldersAskedFor) {
  const std::vector<Member> members = {{"models/a/x", 1}};
  const std::vector<std::string> folders = {"models/a/"};
  const auto plan = plan_layer(members, folders);
  EXPECT_EQ(plan.data_offsets, (std::vector<std::uint64_t>{1024}));
  EXPECT_EQ(plan.size, 1024U + 512 + 1024);
}

TEST(TarWriter, PiecesAreLiteralAndDataInTurn) {
  const std::vector<Member> members = {{"a", 512}, {"b", 0}, {"c", 9 * kGiB + 1}, {"d", 3}};
  const auto plan = plan_layer(members, {});
  ASSERT_EQ(plan.pieces.size(), 7U);
  // The header; the data; headers of b and c; the data; padding and header of d; the data; padding
  // and end.
  const std::uint64_t c = 9 * kGiB + 1;
  const std::vector<std::uint64_t> offsets = {
      0, 512, 1024, 2048, 2048 + c, 2048 + c + 511 + 512, 2048 + c + 511 + 512 + 3};
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(plan.pieces[i].offset, offsets[i]) << i;
    EXPECT_EQ(plan.pieces[i].member.has_value(), i % 2 == 1) << i;
    EXPECT_EQ(plan.pieces[i].literal.empty(), i % 2 == 1) << i;
  }
  EXPECT_EQ(plan.pieces[3].member, 2U);
  EXPECT_EQ(plan.data_offsets, (std::vector<std::uint64_t>{512, 1536, 2048, offsets[5]}));
  EXPECT_EQ(plan.size, offsets[6] + 509 + 1024);
}

TEST(TarWriter, AnEmptyLayerIsItsEnd) {
  const auto plan = plan_layer({}, {});
  ASSERT_EQ(plan.pieces.size(), 1U);
  EXPECT_EQ(plan.pieces[0].literal, archive_end());
  EXPECT_EQ(plan.size, 1024U);
}

TEST(TarWriter, LayersThatNoTreeCanHoldAreRefused) {
  const auto refused = [](std::vector<Member> members, std::vector<std::string> folders = {}) {
    return error_of([&] { plan_layer(members, folders); });
  };
  auto error = refused({{"models/x", 1}, {"models/y", 1}, {"models/x", 2}});
  EXPECT_EQ(error.code(), Code::malformed);
  EXPECT_NE(error.message().find("models/x"), std::string::npos) << error.message();
  // Between the file and the same name as a folder another name is sorted.
  error = refused({{"models/a", 1}, {"models/a-b", 1}, {"models/a/c", 1}});
  EXPECT_EQ(error.code(), Code::malformed);
  EXPECT_NE(error.message().find("folder"), std::string::npos) << error.message();
  EXPECT_EQ(refused({{"models/x", 1}}, {"other"}).code(), Code::malformed);
  EXPECT_EQ(refused({{"models/x", 1}}, {"models/x"}).code(), Code::malformed);
  EXPECT_EQ(refused({{"x", UINT64_MAX}}).code(), Code::malformed);
  EXPECT_EQ(refused({{"x", INT64_MAX}}).code(), Code::malformed);
  EXPECT_EQ(refused({{"x", 1ULL << 62}, {"y", 1ULL << 62}}).code(), Code::malformed);
}

TEST(TarWriter, LayersOfJustBelowTwoToThe63AreTaken) {
  const std::vector<Member> members = {{"x", INT64_MAX - 511 - 512 - 1024}};
  EXPECT_EQ(plan_layer(members, {}).size, static_cast<std::uint64_t>(INT64_MAX) - 511);
}

}  // namespace
}  // namespace dray::tar
