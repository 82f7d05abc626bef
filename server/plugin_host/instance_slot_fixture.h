#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/testing.h"
#include "server/plugin_host/instance_slot.h"

// A slot without processes: a starter and an executor that do what a test says.

namespace belfry::plugin_host {

class FakeInstance final : public Instance {
 public:
  // `alive` counts the instances that have not been destroyed.
  FakeInstance(std::string made_as, std::atomic<int>* alive)
      : name(std::move(made_as)), alive_(alive) {
    ++*alive_;
  }
  ~FakeInstance() override { --*alive_; }

  Found KillIfSilent() override {
    // Once: what it does may look again.
    if (const auto hook = std::exchange(on_kill_if_silent, nullptr)) hook();
    if (answers) return Found::kAnswers;
    killed = true;
    return dies ? Found::kEnded : Found::kDoesNotEnd;
  }
  pid_t pid() const override { return 7; }
  bool running() const override { return runs; }
  void AllowWrites() const override { may_write = true; }
  void ForbidWrites() const override { may_write = false; }

  const std::string name;  // "1", "2" … in the order of their starts.
  std::atomic<bool> answers = true;
  std::atomic<bool> killed = false;
  bool dies = true;
  bool runs = true;
  mutable std::atomic<bool> may_write = true;
  // What happens while a restart waits for requests under way.
  std::function<void()> on_kill_if_silent;

 private:
  std::atomic<int>* const alive_;
};

inline FakeInstance& Fake(const std::shared_ptr<Instance>& instance) {
  return static_cast<FakeInstance&>(*instance);
}

// Thread-safe, but for what a test sets.
class FakeStarter final : public InstanceSlot::Starter {
 public:
  absl::StatusOr<std::unique_ptr<Instance>> StartRequested(const LaunchSpec& spec) const override {
    return Start("requested", spec);
  }
  absl::StatusOr<std::unique_ptr<Instance>> StartAfterCrash(const LaunchSpec& spec) const override {
    return Start("crash", spec);
  }
  std::uint64_t Writes() const override { return writes; }
  bool Stopping() const override { return stopping; }

  // "requested a": why, and the version of the entry.
  std::vector<std::string> Starts() const {
    MutexLock lock(&mutex_);
    return starts_;
  }
  bool overlapped() const { return overlapped_; }
  int alive() const { return alive_; }
  std::unique_ptr<Instance> Make() const {
    return std::make_unique<FakeInstance>(std::to_string(++made_), &alive_);
  }

  mutable std::uint64_t writes = 0;
  std::atomic<bool> stopping = false;
  // Runs within a start.
  std::function<void()> during_start;
  // The next starts end so, one each; then they succeed.
  mutable std::deque<absl::Status> failures;

 private:
  absl::StatusOr<std::unique_ptr<Instance>> Start(std::string why, const LaunchSpec& spec) const {
    if (++starting_ > 1) overlapped_ = true;
    {
      MutexLock lock(&mutex_);
      starts_.push_back(std::move(why) + " " + spec.entry.plugin_version);
    }
    if (during_start) during_start();
    --starting_;
    if (!failures.empty()) {
      absl::Status failure = std::move(failures.front());
      failures.pop_front();
      return failure;
    }
    return Make();
  }

  mutable std::atomic<int> alive_ = 0;
  mutable std::atomic<int> made_ = 0;
  mutable std::atomic<int> starting_ = 0;
  mutable std::atomic<bool> overlapped_ = false;
  mutable Mutex mutex_;
  mutable std::vector<std::string> starts_ ABSL_GUARDED_BY(mutex_);
};

// Runs work when the test says so.
class FakeExecutor final : public Executor {
 public:
  bool Post(absl::AnyInvocable<void()>&& work) override {
    if (full) return false;
    PostAlways(std::move(work));
    return true;
  }
  void PostAlways(absl::AnyInvocable<void()> work) override { waiting.push_back(std::move(work)); }
  void Run() {
    while (!waiting.empty()) {
      absl::AnyInvocable<void()> work = std::move(waiting.front());
      waiting.pop_front();
      work();
    }
  }

  std::deque<absl::AnyInvocable<void()>> waiting;
  bool full = false;
};

inline LaunchSpec Spec(std::string version) {
  LaunchSpec spec;
  spec.entry.path = "n/";
  spec.entry.type = "notes";
  spec.entry.plugin_version = std::move(version);
  return spec;
}

inline const absl::Status kTooMany =
    absl::ResourceExhaustedError("too many requests queued for plugin restart; try again");

class InstanceSlotTest : public ::testing::Test {
 protected:
  // Does as a call does. Stays where it is: the slot and its callbacks refer to it.
  class Request {
   public:
    Request(InstanceSlotTest* test, std::string path) : test_(test), path_(std::move(path)) {
      test_->slot_->Begin(&name_, [this](absl::StatusOr<std::shared_ptr<Instance>> instance) {
        GoOnWith(std::move(instance));
      });
    }
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    // Its connection has broken.
    void Break() {
      const Instance* const broken = instance_.get();
      test_->slot_->Recover(broken, [this](absl::StatusOr<std::shared_ptr<Instance>> instance) {
        GoOnWith(std::move(instance));
      });
    }
    // Its connection has broken because the process has died.
    void Crash() {
      Fake(instance_).answers = false;
      Break();
    }
    void End() {
      test_->slot_->Forget(&name_);
      test_->slot_->End(std::exchange(instance_, nullptr));
    }

    bool has_instance() const { return instance_ != nullptr; }
    // On which it is.
    FakeInstance& on() const { return Fake(instance_); }
    // How often it was given one, and why it was not.
    int answers() const { return answers_; }
    const absl::Status& failure() const { return failure_; }

   private:
    void GoOnWith(absl::StatusOr<std::shared_ptr<Instance>> instance) {
      ++answers_;
      if (!instance.ok()) {
        failure_ = std::move(instance).status();
        return;
      }
      test_->served_.push_back(path_ + " on " + Fake(*instance).name);
      test_->slot_->Release(std::exchange(instance_, *std::move(instance)));
    }

    InstanceSlotTest* const test_;
    const std::string path_;
    const RequestName name_ = {.operation = "read", .path = path_};
    std::shared_ptr<Instance> instance_;
    int answers_ = 0;
    absl::Status failure_;
  };

  void SetUp() override {
    limits_.plugin_probe_timeout = absl::ZeroDuration();
    limits_.max_requests_queued_per_plugin = 2;
    std::unique_ptr<Instance> first = starter_.Make();
    first_ = static_cast<FakeInstance*>(first.get());
    slot_ = std::make_unique<InstanceSlot>(&starter_, Spec("a"), std::move(first), executor_,
                                           metrics_.get(), limits_, Logger(log_, "plugins"));
  }
  void TearDown() override {
    executor_->Run();
    slot_.reset();
    EXPECT_EQ(starter_.alive(), 0);
    EXPECT_FALSE(starter_.overlapped());
  }
  // Which one a request gets now.
  std::string Current() {
    const InstanceSlot::Pin pin = slot_->Current();
    return static_cast<FakeInstance&>(*pin).name;
  }

  FakeStarter starter_;
  const std::shared_ptr<FakeExecutor> executor_ = std::make_shared<FakeExecutor>();
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  Limits limits_;
  FakeInstance* first_ = nullptr;
  // "<path> on <instance>", in the order in which requests were given theirs.
  std::vector<std::string> served_;
  std::unique_ptr<InstanceSlot> slot_;
};

}  // namespace belfry::plugin_host
