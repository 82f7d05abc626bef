#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/src/path_pattern.h"

namespace belfry::internal {

// What a pattern of parts matches, for questions that its RE2 expression cannot answer: whether
// another one matches nothing else, and how far a path goes along with it. Const, thread-safe.
class PatternAutomaton {
 public:
  explicit PatternAutomaton(const std::vector<PatternPart>& parts);

  // Whether this matches whatever `other` matches. A newline counts as nothing that paths have.
  bool Covers(const PatternAutomaton& other) const;
  // Whether something that begins with `prefix` matches.
  bool MayBeginWith(std::string_view prefix) const { return Follow(prefix).bytes == prefix.size(); }
  // How many bytes at the beginning of `path` something that matches may begin with.
  std::size_t Reach(std::string_view path) const { return Follow(path).bytes; }
  // Why a path that does not match does not, as the rest of a sentence about the pattern.
  std::string WhyNot(std::string_view path) const;

 private:
  // A place in the pattern: before `step`, or within it if it is a segment.
  enum class Phase {
    kBefore,
    kInside,        // After a letter, digit or '_': the segment may end here.
    kInsideSpecial  // After '-' or '.': it may not.
  };
  struct State {
    std::size_t step = 0;
    Phase phase = Phase::kBefore;
    friend auto operator<=>(const State&, const State&) = default;
  };
  using States = std::set<State>;
  // One character of a literal, or a whole segment or rest.
  struct Step {
    PatternPart::Kind kind;
    char literal = 0;
    std::size_t part = 0;
  };
  struct Progress {
    std::size_t bytes = 0;
    States states;  // There.
  };

  void Add(State state, States& states) const;
  States Start() const;
  States Next(State from, char c) const;
  States Next(const States& from, char c) const;
  State End() const { return {steps_.size(), Phase::kBefore}; }
  Progress Follow(std::string_view path) const;
  std::string Expected(State state) const;

  const std::vector<PatternPart> parts_;
  std::vector<Step> steps_;
};

}  // namespace belfry::internal
