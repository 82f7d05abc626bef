#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "server/mounts/mount_fakes.h"
#include "server/mounts/mount_manager.h"
#include "server/storage/testing.h"

namespace belfry::mounts {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;

// One life of a host, over a storage that outlives it. How it ends is up to the test: with Stop, or
// like a process that is killed.
struct Life {
  Life(storage::Storage* storage, FakeFactory* factory) : factory(factory) {
    mounts = MountManager::Create({.router = &router,
                                   .leases = &leases,
                                   .storage = storage,
                                   .factory = factory,
                                   .limits = {.plugin_probe_timeout = absl::Milliseconds(1)},
                                   .logger = Logger(log, "mounts")});
    started = mounts->Start();
  }
  ~Life() { mounts->Stop(); }

  absl::Status Enable(std::string path, std::string type = "kv") const {
    MountEntry entry;
    entry.path = std::move(path);
    entry.type = std::move(type);
    return mounts->Enable(std::move(entry));
  }
  // What the mount at that path answers to any request.
  absl::Status Ask(std::string_view path) const {
    const std::optional<Route> route = router.Find(path);
    if (!route) return absl::NotFoundError("no mount");
    absl::Status status = absl::UnknownError("no answer");
    route->mount->engine->Handle(
        {}, [&status](const absl::StatusOr<Reply>& reply) { status = reply.status(); });
    return status;
  }

  FakeFactory* const factory;
  FakeLeases leases;
  MountRouter router;
  const std::shared_ptr<RecordingLogSink> log = std::make_shared<RecordingLogSink>();
  std::unique_ptr<MountManager> mounts;
  absl::Status started;
};

class MountRestartTest : public ::testing::Test {
 protected:
  void Begin() {
    life_ = std::make_unique<Life>(&storage_, &factory_);
    EXPECT_TRUE(life_->started.ok()) << life_->started;
  }
  void BeginAgain() {
    life_.reset();
    Begin();
  }
  std::vector<std::string> Data() const { return *storage_.List("logical/"); }

  storage::FaultyStorage storage_;
  FakeFactory factory_;
  std::unique_ptr<Life> life_;
};

TEST_F(MountRestartTest, AMountComesBackAsItWasWithItsData) {
  Begin();
  MountEntry entry;
  entry.path = "secret/";
  entry.type = "kv-v2";
  entry.description = "ours";
  entry.options = {{"a", "1"}};
  entry.local = entry.seal_wrap = entry.external_entropy_access = entry.force_no_cache = true;
  entry.default_lease_ttl = absl::Minutes(5);
  entry.max_lease_ttl = absl::Hours(1);
  entry.plugin_version = "v1.2.3";
  ASSERT_TRUE(life_->mounts->Enable(entry).ok());
  entry.mount_class = MountClass::kAuth;
  entry.path = "auth/up/";
  ASSERT_TRUE(life_->mounts->Enable(entry).ok());
  const MountEntry secret = life_->router.At("secret/")->entry;
  const MountEntry auth = life_->router.At("auth/up/")->entry;
  const std::vector<std::string> data = Data();
  BeginAgain();
  EXPECT_EQ(life_->router.At("secret/")->entry, secret);
  EXPECT_EQ(life_->router.At("auth/up/")->entry, auth);
  EXPECT_EQ(Data(), data);
  EXPECT_TRUE(life_->Ask("secret/").ok());
}

TEST_F(MountRestartTest, TheHostsOwnMountsKeepTheirNames) {
  Begin();
  const MountEntry before = life_->router.At("auth/token/")->entry;
  BeginAgain();
  EXPECT_EQ(life_->router.At("auth/token/")->entry, before);
  EXPECT_EQ(life_->router.List().size(), 4u);
}

TEST_F(MountRestartTest, ATunedMountComesBackAsItWasTuned) {
  Begin();
  ASSERT_TRUE(life_->Enable("secret").ok());
  MountTuning tuning;
  tuning.description = "ours";
  ASSERT_TRUE(life_->mounts->Tune("secret", tuning).ok());
  BeginAgain();
  EXPECT_EQ(life_->router.At("secret/")->entry.description, "ours");
}

TEST_F(MountRestartTest, AChangeThatCannotBeStoredIsNone) {
  Begin();
  ASSERT_TRUE(life_->Enable("secret").ok());
  storage_.refuse_puts = true;
  MountTuning tuning;
  tuning.options = {{"a", "1"}};
  EXPECT_EQ(life_->mounts->Tune("secret", tuning).status(), absl::UnavailableError("no"));
  EXPECT_THAT(life_->router.At("secret/")->entry.options, Not(Contains(Key("a"))));
  // The engine had taken it over, and has taken it back.
  ASSERT_EQ(factory_.restarts.entries.size(), 2u);
  EXPECT_EQ(factory_.restarts.entries[1], life_->router.At("secret/")->entry);
}

TEST_F(MountRestartTest, AMountThatCannotBeStoredIsNone) {
  Begin();
  storage_.refuse_puts = true;
  EXPECT_EQ(life_->Enable("secret"), absl::UnavailableError("no"));
  EXPECT_EQ(life_->router.At("secret/"), nullptr);
  EXPECT_THAT(factory_.started, IsEmpty());
  storage_.refuse_puts = false;
  EXPECT_TRUE(life_->Enable("secret").ok());
}

TEST_F(MountRestartTest, AMountWhoseEndCannotBeStoredGoesOn) {
  Begin();
  ASSERT_TRUE(life_->Enable("secret").ok());
  storage_.refuse_puts = true;
  EXPECT_EQ(life_->mounts->Disable(MountClass::kSecret, "secret"), absl::UnavailableError("no"));
  storage_.refuse_puts = false;
  EXPECT_TRUE(life_->Ask("secret/").ok());
  BeginAgain();
  EXPECT_TRUE(life_->Ask("secret/").ok());
}

TEST_F(MountRestartTest, ADisabledMountDoesNotComeBack) {
  Begin();
  ASSERT_TRUE(life_->Enable("secret").ok());
  ASSERT_TRUE(life_->mounts->Disable(MountClass::kSecret, "secret").ok());
  BeginAgain();
  EXPECT_EQ(life_->router.At("secret/"), nullptr);
  EXPECT_EQ(storage_.List("sys/mount/")->size(), 4u);
}

TEST_F(MountRestartTest, WhatADisabledMountLeftIsDeletedByTheNextHost) {
  Begin();
  ASSERT_TRUE(life_->Enable("secret").ok());
  storage_.refuse_deletes = true;
  EXPECT_FALSE(life_->mounts->Disable(MountClass::kSecret, "secret").ok());
  EXPECT_THAT(Data(), Not(IsEmpty()));
  storage_.refuse_deletes = false;
  BeginAgain();
  EXPECT_EQ(life_->router.At("secret/"), nullptr);
  EXPECT_THAT(Data(), IsEmpty());
  EXPECT_EQ(storage_.List("sys/mount/")->size(), 4u);
}

TEST_F(MountRestartTest, WhatAMountLeftThatDidNotComeAboutIsDeletedByTheNextHost) {
  Begin();
  storage_.refuse_deletes = true;
  EXPECT_FALSE(life_->Enable("x", "half").ok());
  EXPECT_THAT(Data(), Not(IsEmpty()));
  storage_.refuse_deletes = false;
  BeginAgain();
  EXPECT_EQ(life_->router.At("x/"), nullptr);
  EXPECT_THAT(Data(), IsEmpty());
}

TEST_F(MountRestartTest, AMountWhosePluginDoesNotStartKeepsNoOtherDownAndComesBackByAReload) {
  Begin();
  ASSERT_TRUE(life_->Enable("secret").ok());
  ASSERT_TRUE(life_->Enable("broken", "notes").ok());
  factory_.missing = "notes";
  BeginAgain();
  EXPECT_TRUE(life_->Ask("secret/").ok());
  const absl::Status refused = life_->Ask("broken/");
  EXPECT_TRUE(absl::IsUnavailable(refused));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("did not start with the server; the server's log says why"));
  EXPECT_THAT(life_->log->Lines(),
              Contains(HasSubstr("a mount is without its plugin: path=broken/ type=notes")));
  EXPECT_FALSE(life_->mounts->Reload("broken").ok());
  EXPECT_FALSE(life_->Ask("broken/").ok());
  factory_.missing = "";
  EXPECT_TRUE(life_->mounts->Reload("broken").ok());
  EXPECT_TRUE(life_->Ask("broken/").ok());
  // From then on it is an engine as any other.
  EXPECT_TRUE(life_->mounts->Reload("broken").ok());
  EXPECT_EQ(factory_.restarts.entries.back().path, "broken/");
}

TEST_F(MountRestartTest, ATableThatCannotBeReadStartsNothing) {
  Begin();
  ASSERT_TRUE(life_->Enable("secret").ok());
  life_.reset();
  ASSERT_TRUE(storage::Put(storage_, "sys/mount/x", R"({"path":1})").ok());
  factory_.started.clear();
  const Life life(&storage_, &factory_);
  EXPECT_TRUE(absl::IsDataLoss(life.started)) << life.started;
  EXPECT_THAT(factory_.started, IsEmpty());
}

}  // namespace
}  // namespace belfry::mounts
