#pragma once

#include <string_view>
#include <vector>

#include "belfry/events.h"

namespace belfry::testing {

// A host that takes no events.
class NoEvents final : public EventSender {
 private:
  std::vector<absl::Status> DoSend(absl::Span<const Event> events) override {
    return std::vector<absl::Status>(events.size(),
                                     absl::FailedPreconditionError("no events here"));
  }
  void LogFailure(std::string_view, const absl::Status&) override {}
};

}  // namespace belfry::testing
