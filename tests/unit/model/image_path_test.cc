#include "dray/model/image_path.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"
#include "tests/support/errors.h"

namespace dray {
namespace {

using test::error_of;

TEST(ImagePath, LosesWhatFileSystemsIgnore) {
  EXPECT_EQ(image_path("models/x"), "models/x");
  EXPECT_EQ(image_path("./models//x/./"), "models/x");
  EXPECT_EQ(image_path("///models"), "models");
  for (const char* root : {"", "/", ".", "./", "/./."}) EXPECT_EQ(image_path(root), "");
  for (const char* odd : {"..a", "a..", "...", ".a"}) EXPECT_EQ(image_path(odd), odd);
}

TEST(ImagePath, TwoDotsAreRefused) {
  for (const char* path : {"..", "../models/x", "models/../x", "models/..", "/..", "etc/../x/."})
    EXPECT_EQ(error_of([&] { image_path(path); }).code(), Code::malformed) << path;
}

TEST(ModelPath, IsBelowTheRootHoweverThatIsWritten) {
  for (const char* path :
       {"models/a/x", "./models/a/x", "/models/a/x", "models//a/./x", "/./models/a/x/"})
    EXPECT_EQ(model_path(path), "a/x") << path;
  for (const char* path : {"models", "models/", "./models", "/models/."})
    EXPECT_EQ(model_path(path), "") << path;
}

TEST(ModelPath, IsNoneElsewhere) {
  for (const char* path :
       {"", "./", "etc/models/x", "model/x", "models2/x", "models.txt", "Models/x", "mode"})
    EXPECT_EQ(model_path(path), std::nullopt) << path;
}

TEST(ModelPath, TakesOtherRoots) {
  EXPECT_EQ(model_path("opt/m/x", "/opt/m/"), "x");
  EXPECT_EQ(model_path("opt/x", "opt/m"), std::nullopt);
  EXPECT_EQ(model_path("./a/x", ""), "a/x");
  EXPECT_EQ(model_path("./", ""), "");
}

TEST(ModelPath, RefusesWhatIsNotSafe) {
  for (const char* path : {"models/../x", "etc/../models/x", "models/a\nb", "models/\xff",
                           "models/a\\..\\b", "models/c:x"})
    EXPECT_EQ(error_of([&] { model_path(path); }).code(), Code::malformed) << path;
  EXPECT_EQ(error_of([&] { model_path("models/" + std::string(256, 'a')); }).code(),
            Code::malformed);
  // Outside it does not matter: base images may hold what they like.
  EXPECT_EQ(model_path("usr/share/a\nb"), std::nullopt);
}

TEST(Whiteouts, AreRecognised) {
  using Kind = Whiteout::Kind;
  EXPECT_EQ(whiteout_of("models/.wh.x"), (Whiteout{Kind::entry, "models/x"}));
  EXPECT_EQ(whiteout_of("./.wh.models"), (Whiteout{Kind::entry, "models"}));
  EXPECT_EQ(whiteout_of("models/.wh..hidden"), (Whiteout{Kind::entry, "models/.hidden"}));
  EXPECT_EQ(whiteout_of("models/.wh..wh..opq"), (Whiteout{Kind::opaque, "models"}));
  EXPECT_EQ(whiteout_of("/.wh..wh..opq"), (Whiteout{Kind::opaque, ""}));
  EXPECT_EQ(whiteout_of("a/.wh..wh.plnk"), (Whiteout{Kind::reserved, "a"}));
  EXPECT_EQ(whiteout_of(".wh..wh.aufs"), (Whiteout{Kind::reserved, ""}));
  for (const char* path : {"models/x", "models/.whx", "models/a.wh.x", ".wh.a/x", ".wh", ""})
    EXPECT_EQ(whiteout_of(path), std::nullopt) << path;
}

TEST(Whiteouts, OfNothingAreRefused) {
  for (const char* path : {"models/.wh.", ".wh..", "models/.wh...", "a/../.wh.x"})
    EXPECT_EQ(error_of([&] { whiteout_of(path); }).code(), Code::malformed) << path;
}

}  // namespace
}  // namespace dray
