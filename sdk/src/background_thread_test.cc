#include "sdk/src/background_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "sdk/src/plugin_log.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/testing/no_events.h"

namespace belfry::internal {
namespace {

using ::testing::HasSubstr;

// What the engine does, for each test.
std::function<absl::Status(HookContext&)> work;

void Define(Engine& engine) {
  engine.InBackground([](HookContext& context) { return work(context); });
}

class BackgroundThreadTest : public ::testing::Test {
 protected:
  ~BackgroundThreadTest() override {
    work = nullptr;
    for (const int end : pipe_) ::close(end);
  }
  std::unique_ptr<EngineInstance> NewEngine(void (*define)(Engine&)) {
    return *EngineInstance::Create(define, {.storage = &storage_, .events = &events_});
  }
  std::string NextLogLine() {
    std::array<char, 4096> line;
    return {line.data(), static_cast<std::size_t>(::read(pipe_[0], line.data(), line.size()))};
  }

  std::array<int, 2> pipe_{-1, -1};
  const PluginLog log_{Opened(pipe_)};
  StopSignal done_;
  testing::InMemoryFakeStorage storage_;
  testing::NoEvents events_;

 private:
  static int Opened(std::array<int, 2>& pipe) {
    EXPECT_EQ(::pipe(pipe.data()), 0);
    return pipe[1];
  }
};

TEST_F(BackgroundThreadTest, WhatFailsIsLoggedAndTriedAgainUntilItSucceeds) {
  int attempts = 0;
  work = [&](HookContext&) -> absl::Status {
    if (++attempts < 3) return absl::UnavailableError("not yet");
    done_.Request();
    return absl::OkStatus();
  };
  const auto engine = NewEngine(Define);
  BackgroundThread thread(engine.get(), &log_, absl::Milliseconds(1));
  thread.Start();
  done_.Wait();
  thread.Stop();
  EXPECT_EQ(attempts, 3);
  EXPECT_THAT(NextLogLine(), HasSubstr("not yet"));
}

TEST_F(BackgroundThreadTest, StoppingAsksTheHookToEndAndWaitsForIt) {
  bool ended = false;
  StopSignal begun;
  work = [&](HookContext& context) -> absl::Status {
    StopSignal stopped;
    const std::stop_callback on_stop(context.stop, [&] { stopped.Request(); });
    begun.Request();
    stopped.Wait();
    ended = true;
    return absl::CancelledError("stopped");
  };
  const auto engine = NewEngine(Define);
  BackgroundThread thread(engine.get(), &log_);
  thread.Start();
  begun.Wait();
  thread.Stop();
  EXPECT_TRUE(ended);
}

TEST_F(BackgroundThreadTest, StoppingDoesNotWaitForAPauseToEnd) {
  work = [](HookContext&) { return absl::UnavailableError("down"); };
  const auto engine = NewEngine(Define);
  BackgroundThread thread(engine.get(), &log_, absl::Hours(1));
  thread.Start();
  EXPECT_THAT(NextLogLine(), HasSubstr("down"));
  thread.Stop();
}

TEST_F(BackgroundThreadTest, AnEngineWithoutSuchWorkHasNoThread) {
  const auto engine = NewEngine([](Engine&) {});
  EXPECT_FALSE(engine->has_background());
  BackgroundThread thread(engine.get(), &log_);
  thread.Start();
}

}  // namespace
}  // namespace belfry::internal
