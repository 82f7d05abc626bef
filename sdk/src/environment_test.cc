#include "sdk/src/environment.h"

#include <map>
#include <vector>

#include "gtest/gtest.h"

namespace belfry::internal {
namespace {

Environment Read(std::map<std::string, std::string> variables) {
  return ReadEnvironment([&variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

bool Accepts(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "plugin");
  return !CheckArguments(static_cast<int>(arguments.size()), arguments.data());
}

TEST(EnvironmentTest, OnlyTheRightCookieMeansAHost) {
  EXPECT_TRUE(
      Read({{"VAULT_BACKEND_PLUGIN", "6669da05-b1c8-4f49-97d9-c8e5bed98e20"}}).started_by_host);
  EXPECT_FALSE(Read({}).started_by_host);
  EXPECT_FALSE(Read({{"VAULT_BACKEND_PLUGIN", "1"}}).started_by_host);
  EXPECT_FALSE(
      Read({{"VAULT_DATABASE_PLUGIN", "926a0820-aea2-be28-51d6-83cdf00e8edb"}}).started_by_host);
}

TEST(EnvironmentTest, TheSocketDirectoryComesBeforeTmpdirAndTmp) {
  EXPECT_EQ(Read({}).socket_directory, "/tmp");
  EXPECT_EQ(Read({{"TMPDIR", "/t"}}).socket_directory, "/t");
  EXPECT_EQ(Read({{"TMPDIR", "/t"}, {"PLUGIN_UNIX_SOCKET_DIR", "/s"}}).socket_directory, "/s");
}

TEST(EnvironmentTest, AnUnwrapTokenCountsOnlyWhereItIsUsed) {
  EXPECT_TRUE(Read({{"VAULT_UNWRAP_TOKEN", "jwt"}}).wrapped_key_offered);
  EXPECT_FALSE(Read({}).wrapped_key_offered);
  EXPECT_FALSE(Read({{"VAULT_UNWRAP_TOKEN", "jwt"}, {"VAULT_PLUGIN_METADATA_MODE", "true"}})
                   .wrapped_key_offered);
  EXPECT_FALSE(Read({{"VAULT_UNWRAP_TOKEN", "jwt"}, {"VAULT_PLUGIN_AUTOMTLS_ENABLED", "true"}})
                   .wrapped_key_offered);
}

TEST(EnvironmentTest, TheSixFlagsOfVaultAreAcceptedInGosWays) {
  EXPECT_TRUE(Accepts({}));
  EXPECT_TRUE(Accepts({"-ca-cert=a", "--ca-path=b", "-client-cert", "c", "--client-key", "d",
                       "-tls-server-name=e", "-tls-skip-verify"}));
  EXPECT_TRUE(Accepts({"-tls-skip-verify=true", "word", "-unknown"}));
  EXPECT_FALSE(Accepts({"-unknown"}));
  EXPECT_FALSE(Accepts({"-h"}));
  EXPECT_FALSE(Accepts({"-ca-cert"}));
}

}  // namespace
}  // namespace belfry::internal
