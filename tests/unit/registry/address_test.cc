#include "dray/registry/address.h"

#include <gtest/gtest.h>

#include "dray/base/error.h"
#include "dray/registry/registry.h"

namespace dray {
namespace {

Error refusal(const std::string& address) {
  try {
    open_registry(address, {});
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::usage) << e.what();
    EXPECT_EQ(e.side(), Side::registry);
    return e;
  }
  ADD_FAILURE() << address << " was taken";
  return Error(Code::internal, "none");
}

TEST(RegistryAddress, TakesRestUrlsWithAndWithoutPath) {
  for (const char* good :
       {"https://registry.example.com", "http://127.0.0.1:8080/",
        "https://r.example.com:8443/prefix", "https://r.example.com/api/model_registry",
        "http://r/api/model_registry/v1alpha3/",
        "http://model-registry-service.kubeflow.svc.cluster.local:8080"})
    EXPECT_NO_THROW(registry_url(good)) << good;
}

TEST(RegistryAddress, ADatabasePortIsAnsweredWithTheRestUrl) {
  // The older pipeline's own example.
  const Error mysql = refusal("http://mysql.rhoai-model-registries.svc.cluster.local:3306");
  EXPECT_NE(mysql.message().find("MySQL"), std::string::npos);
  EXPECT_NE(mysql.hint().find("https://REGISTRY.rhoai-model-registries.svc.cluster.local:8443"),
            std::string::npos)
      << mysql.hint();
  EXPECT_NE(refusal("http://db.kubeflow.svc:5432")
                .hint()
                .find("http://model-registry-service.kubeflow.svc.cluster.local:8080"),
            std::string::npos);
  EXPECT_NE(refusal("https://localhost:5432").message().find("PostgreSQL"), std::string::npos);
  EXPECT_NE(refusal("https://localhost:5432").hint().find("http://localhost:8080"),
            std::string::npos);
}

TEST(RegistryAddress, ADatabaseSchemeNeverShowsItsPassword) {
  const Error error = refusal("mysql://root:hunter2@db.odh.svc.cluster.local/registry");
  EXPECT_EQ(std::string(error.what()).find("hunter2"), std::string::npos) << error.what();
  EXPECT_NE(error.hint().find("REGISTRY.odh.svc"), std::string::npos) << error.hint();
  EXPECT_EQ(std::string(refusal("postgresql://u:hunter2@h:5432/d").what()).find("hunter2"),
            std::string::npos);
  EXPECT_EQ(std::string(refusal("https://u:hunter2@h/").what()).find("hunter2"), std::string::npos);
  EXPECT_EQ(std::string(refusal("ftp://u:hunter2@h/").what()).find("hunter2"), std::string::npos);
}

TEST(RegistryAddress, RefusesTheRest) {
  for (const char* bad :
       {"", "registry.example.com", "localhost:8080", "s3://bucket", "https://", "https://h/?x=1"})
    EXPECT_NE(refusal(bad).hint() + refusal(bad).message(), "") << bad;
}

}  // namespace
}  // namespace dray
