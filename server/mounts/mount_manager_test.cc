#include "server/mounts/mount_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "server/mounts/mount_manager_fixture.h"

namespace belfry::mounts {
namespace {

using ::testing::ElementsAre;

TEST_F(MountManagerTest, AMountGetsANameAUuidAndItsOwnStorage) {
  ASSERT_TRUE(Enable("secret").ok());
  const std::optional<Route> route = router_.Find("secret/data/a");
  ASSERT_TRUE(route.has_value());
  const MountEntry& entry = route->mount->entry;
  EXPECT_EQ(entry.path, "secret/");
  EXPECT_THAT(entry.accessor, ::testing::MatchesRegex("kv_[0-9a-f]{8}"));
  EXPECT_EQ(entry.uuid.size(), 36u);
  EXPECT_NE(entry.uuid, entry.backend_uuid);
  EXPECT_EQ(**storage_->Get("logical/" + entry.uuid + "/a"), "v");
}

TEST_F(MountManagerTest, TheLongestMountAtASlashIsFound) {
  ASSERT_TRUE(Enable("secret").ok());
  ASSERT_TRUE(Enable("team/kv").ok());
  EXPECT_EQ(Found("secret/data/a"), "secret/|data/a");
  EXPECT_EQ(Found("secret/"), "secret/|");
  EXPECT_EQ(Found("secret"), "secret/|");
  EXPECT_EQ(Found("secrets/a"), "none");
  EXPECT_EQ(Found("team/kv/a/b/"), "team/kv/|a/b/");
  EXPECT_EQ(Found("team/a"), "none");
  EXPECT_EQ(Found("team"), "none");
  EXPECT_EQ(Found(""), "none");
  EXPECT_EQ(Found("/"), "none");
  EXPECT_EQ(Found("//"), "none");
  EXPECT_EQ(Found("sys/health"), "sys/|health");
}

TEST_F(MountManagerTest, APathInUseAboveOrBelowIsRefusedByName) {
  ASSERT_TRUE(Enable("team/kv").ok());
  const absl::Status in_use = absl::AlreadyExistsError("path is already in use at team/kv/");
  EXPECT_EQ(Enable("team/kv/"), in_use);
  EXPECT_EQ(Enable("team"), in_use);
  EXPECT_EQ(Enable("team/kv/below"), in_use);
  EXPECT_TRUE(Enable("team/kv2").ok());
}

TEST_F(MountManagerTest, TheHostsOwnPathsAreProtected) {
  EXPECT_EQ(Enable("sys/foo"), absl::InvalidArgumentError("cannot mount \"sys/foo/\""));
  EXPECT_EQ(Enable("auth/x"), absl::InvalidArgumentError("cannot mount \"auth/x/\""));
  EXPECT_EQ(mounts_->Disable(MountClass::kSecret, "sys"),
            absl::InvalidArgumentError("cannot unmount \"sys/\""));
  EXPECT_EQ(Enable("").code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(MountManagerTest, AuthMountsAndOnlyTheyAreBelowAuth) {
  const auto enable = [this](MountClass mount_class, std::string path) {
    MountEntry entry;
    entry.mount_class = mount_class;
    entry.path = std::move(path);
    entry.type = "kv";
    return mounts_->Enable(std::move(entry));
  };
  EXPECT_TRUE(enable(MountClass::kAuth, "auth/up").ok());
  EXPECT_EQ(Found("auth/up/login/alice"), "auth/up/|login/alice");
  EXPECT_THAT(router_.At("auth/up/")->entry.accessor, ::testing::StartsWith("auth_kv_"));
  EXPECT_EQ(enable(MountClass::kAuth, "up"), absl::InvalidArgumentError("cannot mount \"up/\""));
  EXPECT_EQ(enable(MountClass::kAuth, "auth"),
            absl::InvalidArgumentError("cannot mount \"auth/\""));
  EXPECT_EQ(enable(MountClass::kAuth, "auth/token"),
            absl::InvalidArgumentError("cannot mount \"auth/token/\""));
  // Who may end secrets mounts may not end others by that.
  EXPECT_EQ(mounts_->Disable(MountClass::kSecret, "auth/up"),
            absl::InvalidArgumentError("cannot unmount \"auth/up/\""));
  EXPECT_TRUE(mounts_->Disable(MountClass::kAuth, "auth/up").ok());
  EXPECT_EQ(Found("auth/up/login/alice"), "none");
}

TEST_F(MountManagerTest, APathThatNoRequestOrPatternCouldNameIsRefused) {
  EXPECT_EQ(Enable("a//b").code(), absl::StatusCode::kInvalidArgument);
  for (const char* path : {"a*", "+", "a/+", "+/a", "a/+/b", "{{a", "a}}/b"}) {
    const absl::Status status = Enable(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_THAT(std::string(status.message()),
                ::testing::HasSubstr("no policy could name this mount"))
        << path;
  }
  EXPECT_TRUE(Enable("a+/+b").ok());
}

TEST_F(MountManagerTest, AnEngineThatDoesNotStartLeavesNoMount) {
  EXPECT_EQ(Enable("x", "nosuch"), absl::NotFoundError("plugin not found in the catalog: nosuch"));
  EXPECT_EQ(Found("x/a"), "none");
}

TEST_F(MountManagerTest, TheAliasesOfKvSetItsVersion) {
  ASSERT_TRUE(Enable("a", "kv").ok());
  ASSERT_TRUE(Enable("b", "kv-v1").ok());
  ASSERT_TRUE(Enable("c", "kv-v2").ok());
  ASSERT_TRUE(Enable("d", "generic").ok());
  ASSERT_TRUE(Enable("e", "notes").ok());
  std::vector<std::string> seen;
  for (const MountEntry& entry : factory_.started) {
    const auto version = entry.options.find("version");
    seen.push_back(entry.type + (version == entry.options.end() ? "" : version->second));
  }
  EXPECT_THAT(seen, ElementsAre("kv1", "kv1", "kv2", "kv1", "notes"));
}

TEST_F(MountManagerTest, DisablingDeletesTheDataAfterTheEngineIsGone) {
  ASSERT_TRUE(Enable("secret").ok());
  ASSERT_TRUE(mounts_->Disable(MountClass::kSecret, "secret").ok());
  EXPECT_EQ(Found("secret/a"), "none");
  EXPECT_THAT(*storage_->List("logical/"), ::testing::IsEmpty());
}

TEST_F(MountManagerTest, DisablingWhatIsNotMountedIsFine) {
  EXPECT_TRUE(mounts_->Disable(MountClass::kSecret, "nope").ok());
}

TEST_F(MountManagerTest, DisablingWaitsForRequestsUnderWay) {
  ASSERT_TRUE(Enable("secret").ok());
  std::optional<Route> under_way = router_.Find("secret/a");
  std::future<absl::Status> disabled = std::async(
      std::launch::async, [this] { return mounts_->Disable(MountClass::kSecret, "secret"); });
  // New requests miss it at once or soon; the old one still has its storage.
  while (router_.Find("secret/a").has_value()) std::this_thread::yield();
  ASSERT_TRUE(
      storage::Put(*storage_, "logical/" + under_way->mount->entry.uuid + "/late", "v").ok());
  under_way.reset();
  EXPECT_TRUE(disabled.get().ok());
  EXPECT_THAT(*storage_->List("logical/"), ::testing::IsEmpty());
}

TEST_F(MountManagerTest, AnEngineWhoseRequestsDoNotEndIsLookedAt) {
  ASSERT_TRUE(Enable("a").ok());
  std::optional<Route> under_way = router_.Find("a/x");
  std::future<absl::Status> disabled =
      std::async(std::launch::async, [this] { return mounts_->Disable(MountClass::kSecret, "a"); });
  while (factory_.restarts.looked_at == 0) std::this_thread::yield();
  under_way.reset();
  EXPECT_TRUE(disabled.get().ok());
}

TEST_F(MountManagerTest, AStoppedManagerHasNoEnginesKeepsTheirDataAndTakesNoMore) {
  ASSERT_TRUE(Enable("a").ok());
  ASSERT_TRUE(Enable("b").ok());
  const std::string uuid = router_.Find("a/")->mount->entry.uuid;
  std::promise<void> may_start;
  factory_.before_slow = may_start.get_future();
  std::future<absl::Status> late =
      std::async(std::launch::async, [this] { return Enable("slow", "slow"); });
  mounts_->Stop();
  may_start.set_value();
  EXPECT_EQ(late.get(), absl::AbortedError("the server is stopping"));
  EXPECT_EQ(Found("a/x"), "none");
  EXPECT_EQ(Found("slow/x"), "none");
  EXPECT_EQ(Found("sys/x"), "sys/|x");
  // The engine's last write says that it has ended.
  EXPECT_EQ(**storage_->Get("logical/" + uuid + "/left/behind"), "v");
  EXPECT_EQ(**storage_->Get("logical/" + uuid + "/a"), "v");
}

TEST_F(MountManagerTest, WhoFindsAMountFindsItsEngineWhileItComesAndGoes) {
  std::atomic<bool> done = false;
  std::thread finder([this, &done] {
    while (!done) {
      if (const std::optional<Route> route = router_.Find("secret/a")) {
        EXPECT_NE(route->mount->engine, nullptr);
      }
      for (const auto& mount : router_.List()) {
        EXPECT_TRUE(mount->entry.type != "kv" || mount->engine != nullptr);
      }
    }
  });
  for (int i = 0; i < 300; ++i) {
    EXPECT_TRUE(Enable("secret").ok());
    EXPECT_TRUE(mounts_->Disable(MountClass::kSecret, "secret").ok());
  }
  done = true;
  finder.join();
}

TEST_F(MountManagerTest, ATunedMountIsFoundAsItIsNowByTheNextRequest) {
  ASSERT_TRUE(Enable("secret").ok());
  const std::optional<Route> before = router_.Find("secret/a");
  MountTuning tuning;
  tuning.description = "ours";
  tuning.max_lease_ttl = absl::Minutes(30);
  tuning.options = {{"a", "1"}};
  ASSERT_TRUE(mounts_->Tune("secret", tuning).ok());
  const std::optional<Route> after = router_.Find("secret/a");
  EXPECT_EQ(before->mount->entry.description, "");
  EXPECT_EQ(after->mount->entry.description, "ours");
  EXPECT_EQ(after->mount->entry.max_lease_ttl, absl::Minutes(30));
  EXPECT_EQ(after->mount->entry.options.at("a"), "1");
  EXPECT_EQ(after->mount->engine, before->mount->engine);
  ASSERT_EQ(factory_.restarts.entries.size(), 1u);
  EXPECT_EQ(factory_.restarts.entries[0].options.at("a"), "1");
  tuning.options = {{"a", ""}};
  ASSERT_TRUE(mounts_->Tune("secret", tuning).ok());
  EXPECT_EQ(router_.Find("secret/a")->mount->entry.options.count("a"), 0u);
}

TEST_F(MountManagerTest, WhatLeavesAMountAsItIsIsNoChangeForTheLog) {
  ASSERT_TRUE(Enable("secret").ok());
  const std::size_t lines = log_->Lines().size();
  ASSERT_TRUE(mounts_->Reload("secret").ok());
  MountTuning tuning;
  ASSERT_TRUE(mounts_->Tune("secret", tuning).ok());
  EXPECT_EQ(log_->Lines().size(), lines);
  tuning.description = "ours";
  ASSERT_TRUE(mounts_->Tune("secret", tuning).ok());
  EXPECT_THAT(log_->Lines().back(), ::testing::HasSubstr("changed a mount: path=secret/"));
}

TEST_F(MountManagerTest, ADescriptionIsNoneOfTheEnginesBusiness) {
  ASSERT_TRUE(Enable("secret").ok());
  MountTuning tuning;
  tuning.description = "ours";
  ASSERT_TRUE(mounts_->Tune("secret", tuning).ok());
  EXPECT_TRUE(factory_.restarts.entries.empty());
}

TEST_F(MountManagerTest, AnEngineThatDoesNotTakeAChangeOverKeepsTheMountAsItWas) {
  ASSERT_TRUE(Enable("secret").ok());
  factory_.restarts.result = absl::UnavailableError("it does not start");
  MountTuning tuning;
  tuning.options = {{"a", "1"}};
  EXPECT_EQ(mounts_->Tune("secret", tuning).status(), factory_.restarts.result);
  EXPECT_EQ(router_.Find("secret/a")->mount->entry.options.count("a"), 0u);
}

TEST_F(MountManagerTest, AReloadThatTheHostInterruptsIsNoFailure) {
  ASSERT_TRUE(Enable("secret").ok());
  factory_.restarts.result = absl::AbortedError("the server is stopping");
  EXPECT_EQ(mounts_->Reload("secret"), factory_.restarts.result);
  EXPECT_THAT(log_->Lines().back(), ::testing::HasSubstr("plugin reload interrupted"));
  EXPECT_THAT(log_->Lines(), ::testing::Not(::testing::Contains(::testing::HasSubstr("failed"))));
  factory_.restarts.result = absl::UnavailableError("it does not start");
  EXPECT_EQ(mounts_->Reload("secret"), factory_.restarts.result);
  EXPECT_THAT(log_->Lines().back(), ::testing::HasSubstr("plugin reload failed"));
}

TEST_F(MountManagerTest, AMountWhoseLeasesCannotBeRevokedGoesOnAsItWas) {
  ASSERT_TRUE(Enable("secret").ok());
  const Engine* const engine = router_.Find("secret/a")->mount->engine;
  leases_.revoked = absl::FailedPreconditionError("the database is away");
  EXPECT_EQ(mounts_->Disable(MountClass::kSecret, "secret"), leases_.revoked);
  EXPECT_EQ(router_.Find("secret/a")->mount->engine, engine);
  leases_.revoked = absl::OkStatus();
  EXPECT_TRUE(mounts_->Disable(MountClass::kSecret, "secret").ok());
  EXPECT_EQ(Found("secret/a"), "none");
}

TEST_F(MountManagerTest, LeasesAreRevokedWhileNobodyFindsTheMountAndItsEngineRuns) {
  ASSERT_TRUE(Enable("secret").ok());
  const std::string left = "logical/" + router_.At("secret/")->entry.uuid + "/left/behind";
  leases_.before_revoked = [&] {
    EXPECT_EQ(Found("secret/a"), "none");
    EXPECT_EQ(Enable("secret"), absl::AlreadyExistsError("path is already in use at secret/"));
    EXPECT_FALSE(storage_->Get(left)->has_value()) << "the engine has ended";
  };
  EXPECT_TRUE(mounts_->Disable(MountClass::kSecret, "secret").ok());
}

TEST_F(MountManagerTest, AMountThatIsBeingDisabledAtTheEndIsNotServedAgain) {
  ASSERT_TRUE(Enable("secret").ok());
  const std::string left = "logical/" + router_.At("secret/")->entry.uuid + "/left/behind";
  leases_.before_revoked = [this] { mounts_->Stop(); };
  leases_.revoked = absl::FailedPreconditionError("the database is away");
  EXPECT_EQ(mounts_->Disable(MountClass::kSecret, "secret"), leases_.revoked);
  EXPECT_EQ(Found("secret/a"), "none");
  EXPECT_TRUE(storage_->Get(left)->has_value()) << "the engine still runs";
}

TEST_F(MountManagerTest, AVersionGoesUpWithAWarningAndNeverDown) {
  ASSERT_TRUE(Enable("secret").ok());
  MountTuning tuning;
  tuning.options = {{"version", "2"}};
  EXPECT_THAT(*mounts_->Tune("secret", tuning),
              ElementsAre("Upgrading mount from version 1 to version 2. This mount will be "
                          "unavailable for a brief period and will resume service shortly."));
  EXPECT_THAT(*mounts_->Tune("secret", tuning), ElementsAre());
  tuning.options = {{"version", "1"}};
  EXPECT_EQ(mounts_->Tune("secret", tuning).status(),
            absl::InvalidArgumentError("cannot downgrade mount from version 2"));
  for (const std::string version : {"3", "", "x"}) {
    tuning.options = {{"version", version}};
    EXPECT_EQ(mounts_->Tune("secret", tuning).status(),
              absl::InvalidArgumentError("invalid version provided: " + version));
  }
}

TEST_F(MountManagerTest, ALeaseTimeAboveTheLongestIsRefused) {
  ASSERT_TRUE(Enable("secret").ok());
  MountTuning tuning;
  tuning.default_lease_ttl = absl::Hours(769);
  EXPECT_EQ(mounts_->Tune("secret", tuning).status().code(), absl::StatusCode::kInvalidArgument);
  tuning.max_lease_ttl = absl::Hours(769);
  EXPECT_TRUE(mounts_->Tune("secret", tuning).ok());
}

TEST_F(MountManagerTest, OnlyAMountThatIsThereAndHasAnEngineCanBeChanged) {
  EXPECT_EQ(mounts_->Tune("none", {}).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(mounts_->Reload("none").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(mounts_->Reload("sys").code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(MountManagerTest, APluginIsReloadedAtEveryMountAfterItsProcessesWereRetired) {
  ASSERT_TRUE(Enable("a", "notes").ok());
  ASSERT_TRUE(Enable("b", "notes").ok());
  ASSERT_TRUE(Enable("c").ok());
  EXPECT_EQ(*mounts_->ReloadPlugin("notes"), 2);
  EXPECT_THAT(factory_.restarts.retired, ElementsAre("notes"));
  ASSERT_EQ(factory_.restarts.entries.size(), 2u);
  EXPECT_EQ(factory_.restarts.entries[0].path, "a/");
  EXPECT_EQ(factory_.restarts.entries[1].path, "b/");
  EXPECT_EQ(*mounts_->ReloadPlugin("none"), 0);
  factory_.restarts.result = absl::UnavailableError("it does not start");
  EXPECT_EQ(mounts_->ReloadPlugin("notes").status(),
            absl::UnavailableError("not reloaded: a/: it does not start; b/: it does not start"));
  EXPECT_EQ(factory_.restarts.entries.size(), 4u);
}

TEST_F(MountManagerTest, AMountThatIsSlowToStartDelaysNoOther) {
  std::promise<void> go_on;
  factory_.before_slow = go_on.get_future();
  std::future<absl::Status> slow =
      std::async(std::launch::async, [this] { return Enable("slow", "slow"); });
  EXPECT_TRUE(Enable("quick").ok());
  EXPECT_TRUE(mounts_->Disable(MountClass::kSecret, "quick").ok());
  go_on.set_value();
  EXPECT_TRUE(slow.get().ok());
  EXPECT_EQ(Found("slow/a"), "slow/|a");
}

TEST_F(MountManagerTest, AnEngineThatDoesNotStartLeavesNoData) {
  EXPECT_EQ(Enable("x", "half").code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(*storage_->List("logical/"), ::testing::IsEmpty());
}

TEST_F(MountManagerTest, ListIsInOrderOfPathWithTheHostsOwn) {
  ASSERT_TRUE(Enable("secret").ok());
  ASSERT_TRUE(Enable("apps").ok());
  std::vector<std::string> paths;
  for (const auto& mount : router_.List()) paths.push_back(mount->entry.path);
  EXPECT_THAT(paths,
              ElementsAre("apps/", "auth/token/", "cubbyhole/", "identity/", "secret/", "sys/"));
}

}  // namespace
}  // namespace belfry::mounts
