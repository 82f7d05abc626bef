#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "proto/vault/event.pb.h"
#include "server/bus/bus.h"
#include "server/bus/event_fields.h"
#include "server/bus/filter.h"

namespace belfry::bus {

// Keeps what it is offered, until it is full.
class RecordingSink final : public Sink {
 public:
  std::atomic<bool> overflowed = false;

  explicit RecordingSink(std::size_t capacity = 1'000'000) : capacity_(capacity) {}
  OfferResult Offer(const Frame& frame, std::uint64_t policy_version) override {
    MutexLock lock(&mutex_);
    policy_version_ = policy_version;
    if (closed_) return OfferResult::kClosed;
    if (frames_.size() == capacity_) return OfferResult::kFull;
    frames_.push_back(frame);
    return OfferResult::kAccepted;
  }
  void Overflow() override { overflowed = true; }
  void Close() {
    MutexLock lock(&mutex_);
    closed_ = true;
  }
  std::uint64_t policy_version() const {
    MutexLock lock(&mutex_);
    return policy_version_;
  }
  std::vector<Frame> frames() const {
    MutexLock lock(&mutex_);
    return frames_;
  }
  std::vector<std::string> ids() const {
    std::vector<std::string> ids;
    for (const Frame& frame : frames()) {
      logical::EventReceived event;
      const bool parsed = event.ParseFromString(frame->bytes);
      ids.push_back(parsed ? event.event().id() : "unreadable");
    }
    return ids;
  }

 private:
  const std::size_t capacity_;
  mutable Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t policy_version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Frame> frames_ ABSL_GUARDED_BY(mutex_);
};

// Allows all but one path, and counts how often it was asked to look at the rules.
class PathAuthorizer final : public EventAuthorizer {
 public:
  explicit PathAuthorizer(std::string forbidden = "forbidden") : forbidden_(std::move(forbidden)) {}
  std::uint64_t Refresh() override { return ++version_; }
  bool Allows(std::string_view path, std::string_view type) override {
    return path != forbidden_ && !type.empty();
  }

 private:
  const std::string forbidden_;
  std::uint64_t version_ = 0;
};

// Says how often it was asked.
class CountingFilter final : public Filter {
 public:
  CountingFilter(std::string text, int* asked) : text_(std::move(text)), asked_(asked) {}
  const std::string& text() const override { return text_; }
  bool Matches(const EventFields&) const override {
    ++*asked_;
    return true;
  }

 private:
  const std::string text_;
  int* const asked_;
};

}  // namespace belfry::bus
