#include "dray/base/digest.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/random.h"

namespace dray {
namespace {

TEST(Sha256Digest, VectorsOfFips180) {
  EXPECT_EQ(Sha256::hex_of({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256::hex_of(as_bytes("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256::hex_of(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256::hex_of(as_bytes(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Digest, GoesOnAfterADigestWasTaken) {
  Sha256 hash;
  hash.update(as_bytes("ab"));
  const std::string early = hash.hex();
  hash.update(as_bytes("c"));
  EXPECT_EQ(early, Sha256::hex_of(as_bytes("ab")));
  EXPECT_EQ(hash.hex(), Sha256::hex_of(as_bytes("abc")));
  EXPECT_EQ(hash.bytes_hashed(), 3U);
  EXPECT_EQ(to_hex(hash.digest()), hash.hex());
}

TEST(Sha256State, RestoresAtEverySplit) {
  const Buffer bytes = test::pattern(300, 1);
  const std::string whole = Sha256::hex_of(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    Sha256 first;
    first.update(Bytes(bytes).first(cut));
    const std::string saved = first.save();
    ASSERT_LT(saved.size(), 200U);
    auto second = Sha256::restore(saved);
    ASSERT_TRUE(second.has_value()) << cut;
    ASSERT_EQ(second->bytes_hashed(), cut);
    ASSERT_EQ(second->save(), saved);
    second->update(Bytes(bytes).subspan(cut));
    ASSERT_EQ(second->hex(), whole) << cut;
  }
}

TEST(Sha256State, IsIndependentOfTheMachine) {
  // Version 1, the initial words of FIPS 180-4 in big-endian order, no bytes, CRC-32C.
  const auto state = from_base64(Sha256().save());
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(to_hex(Bytes(*state).first(41)),
            "016a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19"
            "0000000000000000");
}

TEST(Sha256State, CarriesBitCountsBeyond32Bits) {
  const Buffer block = test::pattern(1 << 20, 2);
  Sha256 hash;
  for (int i = 0; i < 513; ++i) hash.update(block);
  auto restored = Sha256::restore(hash.save());
  ASSERT_TRUE(restored.has_value());
  EXPECT_EQ(restored->hex(), hash.hex());
}

TEST(Sha256State, RefusesWhatSaveDidNotMake) {
  Sha256 hash;
  hash.update(as_bytes("some bytes that do not fill a block"));
  const std::string good = hash.save();
  ASSERT_TRUE(Sha256::restore(good));
  EXPECT_FALSE(Sha256::restore(""));
  EXPECT_FALSE(Sha256::restore("!" + good.substr(1)));
  EXPECT_FALSE(Sha256::restore(good.substr(0, good.size() - 4)));
  EXPECT_FALSE(Sha256::restore(good + "AAAA"));
  EXPECT_FALSE(Sha256::restore(std::string(100'000, 'A')));
  const Buffer bytes = *from_base64(good);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Buffer broken = bytes;
      broken[i] ^= static_cast<std::byte>(1 << bit);
      EXPECT_FALSE(Sha256::restore(to_base64(broken))) << i << " " << bit;
    }
  }
}

TEST(Sha256Pair, IsWhatTwoAreThatAreFedAlone) {
  const Buffer data = test::pattern(5000, 1);
  for (const std::size_t ahead : {0u, 1u, 63u, 64u, 512u, 575u}) {
    Sha256 first, second, alone_first, alone_second;
    first.update(Bytes(data).first(ahead));
    alone_first.update(Bytes(data).first(ahead));
    Bytes rest = data;
    for (std::size_t size = 1; !rest.empty(); size = 3 * size + ahead) {
      const Bytes now = rest.first(std::min(size, rest.size()));
      rest = rest.subspan(now.size());
      Sha256::update_both(first, second, now);
      alone_first.update(now);
      alone_second.update(now);
      ASSERT_EQ(first.hex(), alone_first.hex()) << ahead << " ahead, then " << now.size();
      ASSERT_EQ(second.hex(), alone_second.hex()) << ahead << " ahead, then " << now.size();
      ASSERT_EQ(second.save(), alone_second.save());
    }
    EXPECT_EQ(first.bytes_hashed(), ahead + data.size());
  }
}

TEST(Sha256Pair, GoesOnFromSavedStates) {
  const Buffer data = test::pattern(1000, 2);
  Sha256 first, second;
  first.update(Bytes(data).first(512));
  Sha256::update_both(first, second, Bytes(data).first(300));
  auto again_first = Sha256::restore(first.save()), again_second = Sha256::restore(second.save());
  ASSERT_TRUE(again_first && again_second);
  Sha256::update_both(*again_first, *again_second, Bytes(data).subspan(300));
  EXPECT_EQ(again_second->hex(), Sha256::hex_of(data));
}

TEST(Sha1, PublishedVector) {
  EXPECT_EQ(sha1_hex(as_bytes("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(GitBlob, HashesLikeGit) {
  EXPECT_EQ(GitBlobSha1::hex_of({}), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
  EXPECT_EQ(GitBlobSha1::hex_of(as_bytes("hello\n")), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(GitBlobSha1::hex_of(as_bytes("what is up, doc?")),
            "bd9dbf5aae1a3862dd1526723246b20206e5fc37");
}

TEST(GitBlob, StreamsInPieces) {
  const Buffer bytes = test::pattern(1000, 3);
  GitBlobSha1 hash(bytes.size());
  hash.update(Bytes(bytes).first(1));
  hash.update(Bytes(bytes).subspan(1, 600));
  hash.update(Bytes(bytes).subspan(601));
  EXPECT_EQ(hash.hex(), GitBlobSha1::hex_of(bytes));
  EXPECT_EQ(hash.hex(), GitBlobSha1::hex_of(bytes)) << "asking twice must not change it";
}

TEST(Md5, VectorsOfRfc1321) {
  EXPECT_EQ(to_hex(md5({})), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(to_hex(md5(as_bytes("message digest"))), "f96b697d7cb7938d525a2f31aaf161d0");
}

TEST(Hmac, VectorsOfRfc4231) {
  const auto hmac = [](Bytes key, std::string_view text) {
    return to_hex(hmac_sha256(key, as_bytes(text)));
  };
  EXPECT_EQ(hmac(Buffer(20, std::byte{0x0b}), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac(as_bytes("Jefe"), "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      hmac(Buffer(131, std::byte{0xaa}), "Test Using Larger Than Block-Size Key - Hash Key First"),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

}  // namespace
}  // namespace dray
