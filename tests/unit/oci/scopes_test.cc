#include "dray/oci/scopes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace dray::oci {
namespace {

using Words = std::vector<std::string>;

TEST(OciScopes, TheSameRightsAreEqualHoweverWritten) {
  Scopes made = Scopes::repository("org/a", "push,pull");
  made.add(Scopes::repository("org/b", "pull"));
  made.add(Scopes::repository("org/a", "pull"));
  EXPECT_EQ(made.list(), (Words{"repository:org/a:pull,push", "repository:org/b:pull"}));
  EXPECT_EQ(made.text(), "repository:org/a:pull,push repository:org/b:pull");
  EXPECT_EQ(made, Scopes::parse(" repository:org/b:pull  repository:org/a:push,,pull "));
  EXPECT_EQ(made.repositories("pull"), (Words{"org/a", "org/b"}));
  EXPECT_EQ(made.repositories("push"), Words{"org/a"});
  EXPECT_TRUE(Scopes().empty());
  EXPECT_EQ(Scopes().text(), "");
}

TEST(OciScopes, OddOnesStayAsTheyAre) {
  EXPECT_EQ(Scopes::parse("registry:catalog:*").list(), Words{"registry:catalog:*"});
  EXPECT_EQ(Scopes::parse("repository:host:5000/a:pull").list(),
            Words{"repository:host:5000/a:pull"});
  EXPECT_EQ(Scopes::parse("openid aws:x").list(), (Words{"aws:x", "openid"}));
  EXPECT_EQ(Scopes::parse("a:b: a:b:,").list(), (Words{"a:b:", "a:b:,"}));
  EXPECT_EQ(Scopes::parse("").list(), Words{});
}

TEST(OciScopes, Covering) {
  const Scopes both = Scopes::parse("repository:a:pull,push repository:b:*");
  for (const char* text : {"", "repository:a:pull", "repository:a:push,pull",
                           "repository:b:pull,delete", "repository:a:pull repository:b:push"})
    EXPECT_TRUE(both.cover(Scopes::parse(text))) << text;
  for (const char* text : {"repository:a:delete", "repository:c:pull", "openid",
                           "repository:a:pull repository:c:pull", "repository:a:*"})
    EXPECT_FALSE(both.cover(Scopes::parse(text))) << text;
}

}  // namespace
}  // namespace dray::oci
