#include "dray/s3/xml.h"

#include <gtest/gtest.h>

#include <string>

#include "dray/base/error.h"
#include "dray/s3/metadata.h"

namespace dray::s3 {
namespace {

TEST(S3Xml, ReadsElementsTextAndNamespaces) {
  const XmlNode root = parse_xml(
      "  \n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  <Name>b</Name>\n"
      "  <Contents><Key> a &amp; b&#13;</Key><ETag>&quot;x&quot;</ETag></Contents>\n"
      "  <x:Contents xmlns:x=\"y\"><Key><![CDATA[<c>]]></Key></x:Contents>\n</ListBucketResult>\n",
      "test");
  EXPECT_EQ(root.name, "ListBucketResult");
  EXPECT_EQ(root.text, "");
  ASSERT_EQ(root.children.size(), 3U);
  EXPECT_EQ(root.get("Name"), "b");
  EXPECT_EQ(root.children[1].get("Key"), " a & b\r");  // white space of values is kept
  EXPECT_EQ(root.children[1].get("ETag"), "\"x\"");
  EXPECT_EQ(root.children[2].name, "Contents");
  EXPECT_EQ(root.children[2].get("Key"), "<c>");
  EXPECT_EQ(root.get("None"), "");
  EXPECT_EQ(root.child("None"), nullptr);
}

TEST(S3Xml, RefusesDocumentTypesAndSoEntities) {
  for (const char* text :
       {"<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>",
        "<!DOCTYPE a [<!ENTITY b \"bbbbbbbbbb\"><!ENTITY c \"&b;&b;&b;&b;\">]><a>&c;&c;</a>"}) {
    try {
      parse_xml(text, "the answer");
      FAIL() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::malformed);
      EXPECT_NE(std::string(e.what()).find("document type"), std::string::npos);
    }
  }
  EXPECT_FALSE(try_parse_xml("<a>&undeclared;</a>"));
}

TEST(S3Xml, LimitsHold) {
  const auto nested = [](int depth) {
    std::string out;
    for (int i = 0; i < depth; ++i) out += "<a>";
    for (int i = 0; i < depth; ++i) out += "</a>";
    return out;
  };
  EXPECT_TRUE(try_parse_xml(nested(16)));
  EXPECT_FALSE(try_parse_xml(nested(17)));
  EXPECT_FALSE(try_parse_xml(nested(100'000)));
  std::string many = "<a>";
  for (int i = 0; i < 10; ++i) many += "<b/>";
  many += "</a>";
  EXPECT_TRUE(try_parse_xml(many, {.elements = 11}));
  EXPECT_FALSE(try_parse_xml(many, {.elements = 10}));
  EXPECT_FALSE(try_parse_xml("<a>" + std::string(100, 'x') + "</a>", {.bytes = 100}));
  // Longer than what expat is given at once.
  const std::string large(3 << 20, 'x');
  EXPECT_EQ(parse_xml("<a>" + large + "</a>", "test").text, large);
}

TEST(S3Xml, MalformedTextIsNotRead) {
  for (const char* text : {"", "   ", "x", "<a>", "<a></b>", "<a/><b/>", "<a", "{}",
                           "<html><br></html>", "<a>\x01</a>", "<a>\xff</a>"})
    EXPECT_FALSE(try_parse_xml(text)) << text;
}

TEST(S3Xml, EscapedTextComesBack) {
  const std::string text = "a<b>&\"'\r\n\t 模型 ]]>";
  EXPECT_EQ(parse_xml("<k>" + xml_escape(text) + "</k>", "test").text, text);
  EXPECT_THROW(xml_escape("a\x01"), Error);
  EXPECT_THROW(xml_escape(std::string_view("a\0b", 3)), Error);
  EXPECT_THROW(xml_escape("\xff"), Error);
}

TEST(S3Metadata, PrintableTextIsLeftAlone) {
  for (const char* text : {"", "abc", "a b", "x=y; z", "~!@#"})
    EXPECT_EQ(encode_metadata(text), text);
}

TEST(S3Metadata, OtherTextIsEncodedAndComesBack) {
  for (const char* text :
       {"é", "模型", " a", "a ", "a  b", "a\tb", "a\nb: c", "=?UTF-8?B?eA==?=", "\x7f"}) {
    const std::string encoded = encode_metadata(text);
    EXPECT_NE(encoded, text);
    for (const char c : encoded) EXPECT_TRUE(c > 0x20 && c < 0x7f);
    EXPECT_EQ(decode_metadata(encoded), text);
  }
  EXPECT_THROW(encode_metadata("\xff"), Error);
}

TEST(S3Metadata, ForeignHeadersAreTakenAsTheyAre) {
  for (const char* text :
       {"=?UTF-8?B?%%%?=", "=?UTF-8?Q?=C3=A9?=", "=?UTF-8?B?/w==?=", "=?=", "=?UTF-8?B?"})
    EXPECT_EQ(decode_metadata(text), text);
}

TEST(S3Metadata, NamesAreChecked) {
  EXPECT_NO_THROW(check_metadata_name("dray-sha256_x.1"));
  for (const char* name : {"", "Upper", "a b", "a:b", "é", "a\r\nb"})
    EXPECT_THROW(check_metadata_name(name), Error) << name;
}

}  // namespace
}  // namespace dray::s3
