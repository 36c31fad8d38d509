#include "dray/model/tar_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "dray/base/error.h"
#include "dray/model/tar_header.h"
#include "tests/support/errors.h"
#include "tests/support/tar_archives.h"

namespace dray::tar {
namespace {

using test::end_of_archive;
using test::entries_of;
using test::error_of;
using test::golden_archive;
using test::header;
using test::padded;
using test::pax;
using test::record;

constexpr std::int64_t kTime = 1'700'000'000;
const std::string kLong = "models/" + std::string(90, 'f') + "/" + std::string(60, 'n') + ".txt";
const std::string kLonger = std::string(120, 'd') + "/" + std::string(180, 'e');

struct Golden {
  const char* name;
  bool pipe, long_names, longer_names;
};

class TarReaderGolden : public testing::TestWithParam<Golden> {};

/// What make.py put into its archives, with the data that must be found at each entry's place.
struct Expected {
  EntryType type;
  std::string text;  // data or link target
};

std::map<std::string, Expected> expected_of(const Golden& golden) {
  std::map<std::string, Expected> expected = {
      {"models/", {EntryType::folder, ""}},
      {"models/config.json", {EntryType::file, R"({"a":1})"}},
      {"models/empty", {EntryType::file, ""}},
      {"models/hard", {EntryType::hardlink, "models/config.json"}},
      {"models/link", {EntryType::symlink, "config.json"}},
      {"models/weights.bin", {EntryType::file, std::string(600, 'w')}}};
  if (golden.pipe) expected["models/pipe"] = {EntryType::other, ""};
  if (golden.long_names) expected[kLong] = {EntryType::file, "long"};
  if (!golden.longer_names) return expected;
  expected["models/" + kLonger] = {EntryType::file, "longer"};
  expected["models/longlink"] = {EntryType::symlink, kLonger};
  expected["models/Größe-模型.txt"] = {EntryType::file, "utf8"};
  return expected;
}

TEST_P(TarReaderGolden, IsRead) {
  const Buffer archive = golden_archive(GetParam().name);
  auto expected = expected_of(GetParam());
  for (const auto& entry : entries_of(as_text(archive))) {
    const auto found = expected.find(entry.path);
    ASSERT_NE(found, expected.end()) << entry.path;
    const auto& [type, text] = found->second;
    EXPECT_EQ(entry.type, type) << entry.path;
    const bool link = type == EntryType::symlink || type == EntryType::hardlink;
    EXPECT_EQ(entry.link_target, link ? text : "") << entry.path;
    EXPECT_EQ(as_text(archive).substr(entry.data_offset, entry.size), link ? "" : text)
        << entry.path;
    EXPECT_EQ(entry.mtime, kTime) << entry.path;
    if (!link) {
      EXPECT_EQ(entry.mode, type == EntryType::folder ? 0755U : 0644U) << entry.path;
    }
    expected.erase(found);
  }
  EXPECT_TRUE(expected.empty()) << expected.begin()->first;
}

INSTANTIATE_TEST_SUITE_P(
    Archives, TarReaderGolden,
    testing::Values(Golden{"gnu_v7", false, false, false}, Golden{"gnu_ustar", true, true, false},
                    Golden{"gnu_oldgnu", true, true, true}, Golden{"gnu_gnu", true, true, true},
                    Golden{"gnu_posix", true, true, true},
                    Golden{"python_ustar", true, true, false},
                    Golden{"python_gnu", true, true, true}, Golden{"python_pax", true, true, true},
                    Golden{"python_global", true, false, false},
                    Golden{"bsd_v7", false, false, false}, Golden{"bsd_ustar", true, true, false},
                    Golden{"bsd_gnutar", true, true, true}, Golden{"bsd_pax", true, true, true}),
    [](const auto& param) { return std::string(param.param.name); });

TEST(TarReader, LeavesNamesAsTheyAre) {
  auto entries = entries_of(as_text(golden_archive("gnu_dot")));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].path, "./models/");
  EXPECT_EQ(entries[1].path, "./models/config.json");
  entries = entries_of(as_text(golden_archive("gnu_absolute")));
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].path, "/models/config.json");
}

TEST(TarReader, SparseFilesAreUnsupportedAndNamed) {
  for (const char* name : {"sparse_gnu", "sparse_pax_0.0", "sparse_pax_0.1", "sparse_pax_1.0"}) {
    const Buffer archive = golden_archive(name);
    const auto error = error_of([&] { entries_of(as_text(archive)); });
    EXPECT_EQ(error.code(), Code::unsupported) << name;
    EXPECT_NE(error.message().find("'sparse'"), std::string::npos) << error.message();
  }
  const auto archive = record('L', "long name\0") + header("short", 'M', 9);
  const auto error = error_of([&] { entries_of(archive); });
  EXPECT_EQ(error.code(), Code::unsupported);
  EXPECT_NE(error.message().find("'long name'"), std::string::npos) << error.message();
}

TEST(TarReader, SizesOfNineGiBWithoutReadingThem) {
  for (const char* name : {"python_large_gnu", "python_large_pax"}) {
    const Buffer headers = golden_archive(name);
    HeaderReader reader("large");
    std::optional<Entry> entry;
    while (!entry) {
      const auto wanted = reader.wanted().value();
      ASSERT_LE(wanted.end(), headers.size());
      entry = reader.feed(Bytes(headers).subspan(wanted.offset, wanted.length));
    }
    EXPECT_EQ(entry->path, "models/large.bin");
    EXPECT_EQ(entry->size, 9 * kGiB);
    EXPECT_EQ(entry->data_offset, headers.size());
    EXPECT_EQ(reader.wanted(), (ByteRange{headers.size() + 9 * kGiB, 512})) << name;
  }
}

TEST(TarReader, NumbersInAllTheirForms) {
  const auto size_of = [](std::string_view field) {
    HeaderReader reader("numbers");
    return reader.feed(as_bytes(header("x", '0', 0, {{124, field}})))->size;
  };
  EXPECT_EQ(size_of("00000001750\0"), 1000U);
  EXPECT_EQ(size_of("       1750 "), 1000U);
  EXPECT_EQ(size_of(std::string_view("1750 \0\0\0\0\0\0\0", 12)), 1000U);
  EXPECT_EQ(size_of("000000001750"), 1000U);
  EXPECT_EQ(size_of(std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0", 12)), 0U);
  EXPECT_EQ(size_of("            "), 0U);
  EXPECT_EQ(size_of("777777777777"), 64 * kGiB - 1);
  EXPECT_EQ(size_of(std::string_view("\x80\0\0\0\0\0\0\0\0\0\x03\xe8", 12)), 1000U);
  EXPECT_EQ(size_of(std::string_view("\x80\0\0\0\x3f\xff\xff\xff\xff\xff\xff\xff", 12)),
            0x3fffffffffffffffU);
}

TEST(TarReader, TimesBefore1970) {
  HeaderReader reader("times");
  const auto entry = reader.feed(
      as_bytes(header("x", '0', 0, {{136, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"}})));
  EXPECT_EQ(entry->mtime, -2);
}

TEST(TarReader, ChecksumsOfSignedBytes) {
  // 0xC3 0xB6 count 256 less each; octal of the unsigned sum less 512.
  const auto block = header("\xc3\xb6");
  const auto sum = std::stoul(block.substr(148, 6), nullptr, 8);
  const auto other = header("\xc3\xb6", '0', 0, {{148, fmt::format("{:06o}", sum - 512)}});
  EXPECT_EQ(entries_of(other).at(0).path, "\xc3\xb6");
  EXPECT_EQ(error_of([&] {
              entries_of(header("\xc3\xb6", '0', 0, {{148, fmt::format("{:06o}", sum - 256)}}));
            }).code(),
            Code::malformed);
}

TEST(TarReader, OldFoldersAreNamesWithASlash) {
  auto entries = entries_of(header("a/", '\0') + header("b/", '0') + header("c", '\0'));
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].type, EntryType::folder);
  EXPECT_EQ(entries[1].type, EntryType::folder);
  EXPECT_EQ(entries[2].type, EntryType::file);
}

TEST(TarReader, LinksFoldersAndDevicesHaveNoDataWhateverTheyState) {
  for (const char type : {'1', '2', '3', '4', '5', '6'}) {
    const auto entries = entries_of(header("a", type, 700) + header("b"));
    ASSERT_EQ(entries.size(), 2U) << type;
    EXPECT_EQ(entries[0].size, 0U) << type;
    EXPECT_EQ(entries[1].path, "b");
  }
  // Types that nobody knows may have some.
  const auto entries =
      entries_of(header("a", 'Z', 700) + padded(std::string(700, 'z')) + header("b"));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].type, EntryType::other);
  EXPECT_EQ(entries[0].size, 700U);
}

TEST(TarReader, PrefixesBelongToUstarOnly) {
  const auto name_of = [](std::string_view magic, std::vector<test::Patch> more = {}) {
    std::vector<test::Patch> patches = {{257, magic}, {345, "folder"}};
    patches.insert(patches.end(), more.begin(), more.end());
    return entries_of(header("name", '0', 0, patches)).at(0).path;
  };
  EXPECT_EQ(name_of(std::string_view("ustar\00000", 8)), "folder/name");
  EXPECT_EQ(name_of(std::string_view("ustar\0\0\0", 8)), "folder/name");
  EXPECT_EQ(name_of(std::string_view("ustar  \0", 8)), "name");
  EXPECT_EQ(name_of(std::string_view("\0\0\0\0\0\0\0\0", 8)), "name");
  // In star's headers times follow the prefix's 131 bytes.
  const std::string prefix(140, 'p');
  const std::vector<test::Patch> star = {{345, prefix}, {508, std::string_view("tar\0", 4)}};
  EXPECT_EQ(name_of(std::string_view("ustar\00000", 8), star), std::string(131, 'p') + "/name");
}

TEST(TarReader, ExtendedHeadersAreForTheNextMemberOnly) {
  const auto archive = record('x', pax("path", "models/a") + pax("mtime", "1.5") +
                                       pax("SCHILY.xattr.user.x", "any\nthing")) +
                       header("b") + header("c") + end_of_archive();
  const auto entries = entries_of(archive);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].path, "models/a");
  EXPECT_EQ(entries[0].data_offset, 512U * 3);
  EXPECT_EQ(entries[1].path, "c");
}

TEST(TarReader, TheLastOfEqualKeysCountsAndAnEmptyOneTakesItBack) {
  auto entries = entries_of(record('x', pax("path", "a") + pax("path", "b")) + header("c"));
  EXPECT_EQ(entries.at(0).path, "b");
  entries = entries_of(
      record('x', pax("path", "a") + pax("path", "") + pax("size", "9") + pax("size", "")) +
      header("c"));
  EXPECT_EQ(entries.at(0).path, "c");
  EXPECT_EQ(entries.at(0).size, 0U);
}

TEST(TarReader, GlobalHeadersChangeNoName) {
  const auto entries = entries_of(record('g', pax("comment", "commit id")) + header("a") +
                                  record('g', "") + header("b"));
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].path, "a");
}

TEST(TarReader, TwoFormsOfOneNameMayAgree) {
  const auto entries =
      entries_of(record('L', "models/a") + record('x', pax("path", "models/a")) + header("b"));
  EXPECT_EQ(entries.at(0).path, "models/a");
}

TEST(TarReader, EndsOfArchives) {
  const std::string member = header("a", '0', 3) + padded("abc");
  const std::string zeros(512, '\0');
  EXPECT_EQ(entries_of("").size(), 0U);
  EXPECT_EQ(entries_of(member).size(), 1U);
  EXPECT_EQ(entries_of(member + zeros).size(), 1U);
  EXPECT_EQ(entries_of(member + zeros + zeros).size(), 1U);
  EXPECT_EQ(entries_of(member + zeros + zeros + "garbage").size(), 1U);
  EXPECT_EQ(entries_of(member + zeros + zeros + member).size(), 1U);
  EXPECT_EQ(entries_of(zeros + zeros).size(), 0U);
}

TEST(TarReader, TheEndIsWantedNoFurther) {
  HeaderReader reader("end");
  const Buffer zeros(512);
  reader.feed(zeros);
  EXPECT_EQ(reader.wanted(), (ByteRange{512, 512}));
  reader.feed(zeros);
  EXPECT_FALSE(reader.wanted());
  reader.finish(5000);
}

struct Damaged {
  const char* title;
  std::string archive;
  const char* says;
};

class TarReaderDamaged : public testing::TestWithParam<Damaged> {};

TEST_P(TarReaderDamaged, IsRefusedAndSaysWhere) {
  const auto error = error_of([] { entries_of(GetParam().archive); });
  EXPECT_EQ(error.code(), Code::malformed);
  const auto& text = error.message();
  EXPECT_TRUE(text.starts_with("archive: ")) << text;
  EXPECT_NE(text.find(GetParam().says), std::string::npos) << text;
}

std::string with_size(std::string_view field) { return header("x", '0', 0, {{124, field}}); }

INSTANTIATE_TEST_SUITE_P(
    Archives, TarReaderDamaged,
    testing::Values(
        Damaged{"NotTar", std::string(512, 'x'), "checksum"},
        Damaged{"NoChecksum", header("x", '0', 0, {{148, "        "}}), "checksum"},
        Damaged{"ChecksumOfNoDigits", header("x", '0', 0, {{148, "01x456"}}), "checksum"},
        Damaged{"SecondHeader", header("a") + std::string(512, 'x'), "at byte 512"},
        Damaged{"SizeOfNoDigits", with_size("0000000008\0"), "size"},
        Damaged{"SizeWithTextBehind", with_size(std::string_view("1\0junk\0", 7)), "size"},
        Damaged{"NegativeSize", with_size("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
                "size"},
        Damaged{"SizeOfTwoToThe63", with_size(std::string_view("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12)),
                "size"},
        Damaged{"SizeBeyond64Bits", with_size(std::string_view("\x80\0\0\1\0\0\0\0\0\0\0\0", 12)),
                "size"},
        Damaged{"SizeInTheFirstByte", with_size(std::string_view("\x81\0\0\0\0\0\0\0\0\0\0\0", 12)),
                "size"},
        Damaged{"SizeEndsBeyond63Bits",
                with_size(std::string_view("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)),
                "beyond"},
        Damaged{"ModeOfNoDigits", header("x", '0', 0, {{100, "rw-r--r-"}}), "mode"},
        Damaged{"TimeOfNoDigits", header("x", '0', 0, {{136, "yesterday   "}}), "time"},
        Damaged{"TimeOfTwoToThe63",
                header("x", '0', 0, {{136, std::string_view("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12)}}),
                "time"},
        Damaged{"TimeTooLongAgo",
                header("x", '0', 0,
                       {{136, std::string_view("\xff\xff\xff\xff\x7f\0\0\0\0\0\0\0", 12)}}),
                "time"},
        Damaged{"NoName", header(""), "no name"},
        Damaged{"LinkWithoutTarget", header("x", '2', 0, {{157, std::string_view("\0", 1)}}),
                "no target"},
        Damaged{"FolderWithData", header("x/", '0', 1) + padded("1"), "has data"},
        Damaged{"CutHeader", header("x").substr(0, 511), "at byte 511"},
        Damaged{"CutData", header("x", '0', 600) + std::string(600, 'x'), "at byte 1112"},
        Damaged{"CutInTheZeros", header("x") + std::string(700, '\0'), "at byte 1212"},
        Damaged{"CutRecord", header("r", 'L', 600) + std::string(600, 'x'), "at byte 1112"},
        Damaged{"RecordWithoutMember", record('L', "name"), "at byte 1024"},
        Damaged{"EndAfterRecord", record('x', pax("path", "a")) + end_of_archive(), "at byte 1024"},
        Damaged{"LoneZeros", header("a") + std::string(512, '\0') + header("b"), "at byte 1024"},
        Damaged{"TwoLongNames", record('L', "a") + record('L', "b") + header("c"), "'L'"},
        Damaged{"TwoLongLinks", record('K', "a") + record('K', "b") + header("c", '2'), "'K'"},
        Damaged{"TwoExtendedHeaders",
                record('x', pax("path", "a")) + record('x', pax("size", "1")) + header("c"), "'x'"},
        Damaged{"TwoEmptyExtendedHeaders", record('x', "") + record('X', "") + header("c"), "'X'"},
        Damaged{"GlobalInside", record('L', "a") + record('g', "") + header("c"), "'g'"},
        Damaged{"TwoNames", record('L', "a") + record('x', pax("path", "b")) + header("c"),
                "both 'a' and 'b'"},
        Damaged{"TwoTargets",
                record('K', "a") + record('x', pax("linkpath", "b")) + header("c", '2'),
                "both 'a' and 'b'"},
        Damaged{"EmptyLongName", record('L', "") + header("c"), "holds none"},
        Damaged{"LongNameOfZeros", record('L', std::string(5, '\0')) + header("c"), "holds none"},
        Damaged{"NameTooLong", record('L', std::string(4097, 'a')) + header("c"), "4096"},
        Damaged{"PaxNameTooLong", record('x', pax("path", std::string(4097, 'a'))) + header("c"),
                "4096"},
        Damaged{"PaxNameWithNul",
                record('x', pax("path", std::string_view("a\0b", 3))) + header("c"), "NUL"},
        Damaged{"PaxSizeOfNoDigits", record('x', pax("size", "1e3")) + header("c"), "1e3"},
        Damaged{"PaxSizeNegative", record('x', pax("size", "-1")) + header("c"), "-1"},
        Damaged{"PaxSizeOfTwoToThe63",
                record('x', pax("size", "9223372036854775808")) + header("c"), "size"},
        Damaged{"PaxNoLength", record('x', "path=a\n") + header("c"), "length"},
        Damaged{"PaxOnlyLength", record('x', "12") + header("c"), "length"},
        Damaged{"PaxLengthTooLong", record('x', "11 path=a\n") + header("c"), "longer"},
        Damaged{"PaxLengthTooShort", record('x', "8 path=a\n") + header("c"), "end where"},
        Damaged{"PaxLengthOfNothing", record('x', "2 \n") + header("c"), "end where"},
        Damaged{"PaxLengthZero", record('x', "0 path=a\n") + header("c"), "end where"},
        Damaged{"PaxNoKey", record('x', "5 =a\n") + header("c"), "key"},
        Damaged{"PaxNoValue", record('x', "7 path\n") + header("c"), "key"},
        Damaged{"PaxZerosBehind",
                record('x', pax("path", "a") + std::string(3, '\0')) + header("c"), "at byte 521"},
        Damaged{"GlobalPath", record('g', pax("path", "a")) + header("c"), "global"},
        Damaged{"GlobalLink", record('g', pax("linkpath", "a")) + header("c"), "global"},
        Damaged{"GlobalSize", record('g', pax("size", "1")) + header("c"), "global"},
        Damaged{"GlobalSparse", record('g', pax("GNU.sparse.major", "1")) + header("c"), "global"}),
    [](const auto& param) { return std::string(param.param.title); });

TEST(TarReader, LimitsAreTheLastThatIsAllowed) {
  const auto three = header("a") + record('g', "") + header("bc", '2') + end_of_archive();
  EXPECT_EQ(entries_of(three, {.entries = 3}).size(), 2U);
  EXPECT_EQ(error_of([&] { entries_of(three, {.entries = 2}); }).code(), Code::malformed);
  EXPECT_EQ(entries_of(three, {.name_bytes = 9}).size(), 2U);
  EXPECT_EQ(error_of([&] { entries_of(three, {.name_bytes = 8}); }).code(), Code::malformed);
  const auto long_name = record('L', std::string(600, 'a')) + header("b");
  EXPECT_EQ(entries_of(long_name, {.record_bytes = 600}).size(), 1U);
  EXPECT_EQ(error_of([&] { entries_of(long_name, {.record_bytes = 599}); }).code(),
            Code::malformed);
  EXPECT_EQ(entries_of(record('L', std::string(4096, 'a')) + header("b")).at(0).path.size(), 4096U);
}

TEST(TarReader, ARecordOfMoreThanAMiBIsNotEvenWanted) {
  HeaderReader reader("huge");
  EXPECT_EQ(error_of([&] { reader.feed(as_bytes(header("r", 'x', kMiB + 1))); }).code(),
            Code::malformed);
}

}  // namespace
}  // namespace dray::tar
