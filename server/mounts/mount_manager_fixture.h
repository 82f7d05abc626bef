#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/testing.h"
#include "server/mounts/mount_fakes.h"
#include "server/mounts/mount_manager.h"
#include "server/storage/committer.h"

namespace belfry::mounts {

// A manager that has started, over fakes and a storage in memory.
class MountManagerTest : public ::testing::Test {
 protected:
  MountManagerTest() { EXPECT_TRUE(mounts_->Start().ok()); }

  absl::Status Enable(std::string path, std::string type = "kv") {
    MountEntry entry;
    entry.path = std::move(path);
    entry.type = std::move(type);
    return mounts_->Enable(std::move(entry));
  }
  std::string Found(std::string_view path) {
    const std::optional<Route> route = router_.Find(path);
    return route ? route->mount->entry.path + "|" + route->path : "none";
  }

  const std::unique_ptr<storage::Storage> storage_ = storage::NewInMemoryStorage();
  FakeFactory factory_;
  FakeLeases leases_;
  MountRouter router_;
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  const std::unique_ptr<MountManager> mounts_ =
      MountManager::Create({.router = &router_,
                            .leases = &leases_,
                            .storage = storage_.get(),
                            .factory = &factory_,
                            .limits = {.plugin_probe_timeout = absl::Milliseconds(1)},
                            .logger = Logger(log_, "mounts")});
};

}  // namespace belfry::mounts
