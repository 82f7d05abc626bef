#pragma once

#include <deque>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "base/executor.h"
#include "base/text.h"
#include "tests/simulation/random.h"
#include "tests/simulation/turns.h"

namespace belfry::simulation {

// Work waits until the simulation has one piece of it run; whose, the seed says. The work of one
// owner runs in its order. Owners have an order of their own, so that it does not matter in which
// one they brought their work: some of those who do go by the addresses of objects.
class SeededExecutor {
 public:
  // Both must outlive it. Others may run as soon as work without an owner has been brought.
  SeededExecutor(Random* random, Turns* turns) : random_(random), turns_(turns) {}

  // One whose work waits here, under its name. This must outlive it.
  std::unique_ptr<Executor> New(std::string name) {
    return std::make_unique<Front>(this, std::move(name));
  }

  bool idle() const { return waiting_.empty(); }
  // False: there is nothing to do.
  bool RunOne() {
    if (waiting_.empty()) return false;
    const auto owner =
        std::next(waiting_.begin(), static_cast<std::ptrdiff_t>(random_->Below(waiting_.size())));
    absl::AnyInvocable<void()> work = std::move(owner->second.front());
    owner->second.pop_front();
    if (owner->second.empty()) waiting_.erase(owner);
    work();
    return true;
  }
  // The process is gone.
  void Drop() { waiting_.clear(); }

 private:
  class Front final : public Executor {
   public:
    Front(SeededExecutor* all, std::string name) : all_(all), name_(std::move(name)) {}
    bool Post(absl::AnyInvocable<void()>&& work) override {
      PostAlwaysFor("", std::move(work));
      return true;
    }
    void PostAlways(absl::AnyInvocable<void()> work) override {
      PostAlwaysFor("", std::move(work));
    }
    void PostAlwaysFor(std::string_view owner, absl::AnyInvocable<void()> work) override {
      all_->waiting_[Concat({name_, "/", owner})].push_back(std::move(work));
      // Owners bring theirs in no certain order, in which nobody else may come.
      if (owner.empty()) all_->turns_->LetOthersRun();
    }

   private:
    SeededExecutor* const all_;
    const std::string name_;
  };

  Random* const random_;
  Turns* const turns_;
  std::map<std::string, std::deque<absl::AnyInvocable<void()>>> waiting_;
};

}  // namespace belfry::simulation
