#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/text.h"

namespace belfry::simulation {

// What has happened, in lines, and the first thing that must not have.
class History {
 public:
  // `clock` must outlive it.
  explicit History(const Clock* clock) : clock_(clock), begin_(clock->Now()) {}

  void Note(std::string_view line) {
    const double seconds = absl::ToDoubleSeconds(clock_->Now() - begin_);
    lines_.push_back(absl::StrFormat("%10.4f %s", seconds, std::string(line)));
  }
  // Only the first one counts: what follows may follow from it.
  void Violate(std::string what) {
    if (violation_) return;
    Note(Concat({"VIOLATION: ", what}));
    violation_ = std::move(what);
    lines_at_violation_ = lines_.size();
  }

  const std::optional<std::string>& violation() const { return violation_; }
  // Up to the violation, if there is one.
  std::vector<std::string> Lines() && {
    if (violation_) lines_.resize(lines_at_violation_);
    return std::move(lines_);
  }

 private:
  const Clock* const clock_;
  const absl::Time begin_;
  std::vector<std::string> lines_;
  std::optional<std::string> violation_;
  std::size_t lines_at_violation_ = 0;
};

}  // namespace belfry::simulation
