#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/text.h"

namespace belfry::mounts {

// What became of a reload of several mounts, where one that fails keeps none of the others from
// being reloaded. Not thread-safe.
class ReloadFailures {
 public:
  // `reloaded` may be OK.
  void Note(std::string_view path, const absl::Status& reloaded) {
    if (reloaded.ok()) return;
    const std::string before =
        status_.ok() ? "not reloaded: " : Concat({ToStd(status_.message()), "; "});
    const absl::StatusCode code = status_.ok() ? reloaded.code() : status_.code();
    status_ = absl::Status(code, Concat({before, path, ": ", ToStd(reloaded.message())}));
  }
  // OK, or the code of the first that failed and what each that failed said.
  const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

}  // namespace belfry::mounts
