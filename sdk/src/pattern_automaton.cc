#include "sdk/src/pattern_automaton.h"

#include <deque>
#include <utility>

#include "absl/strings/ascii.h"
#include "base/text.h"

namespace belfry::internal {
namespace {

constexpr std::string_view kSegmentRule = "letters, digits, '_', and between them '-' and '.'";

bool IsWord(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
}

// The bytes that patterns can tell apart, and one for all others.
const std::string& Alphabet() {
  static const auto* const kAlphabet = [] {
    auto* bytes = new std::string;
    for (char c = ' '; c <= '~'; ++c) *bytes += c;
    *bytes += '\x80';
    return bytes;
  }();
  return *kAlphabet;
}

std::string Quoted(std::string_view text) {
  return Concat({"\"", text, "\""});
}

}  // namespace

PatternAutomaton::PatternAutomaton(const std::vector<PatternPart>& parts) : parts_(parts) {
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    const PatternPart& of = parts_[part];
    if (of.kind != PatternPart::Kind::kLiteral) {
      steps_.push_back({of.kind, 0, part});
      continue;
    }
    for (const char c : of.text) steps_.push_back({of.kind, c, part});
  }
}

void PatternAutomaton::Add(State state, States& states) const {
  states.insert(state);
  const bool may_leave =
      state.phase == Phase::kInside ||
      (state.step < steps_.size() && steps_[state.step].kind == PatternPart::Kind::kRest);
  if (may_leave) Add({state.step + 1, Phase::kBefore}, states);
}

PatternAutomaton::States PatternAutomaton::Start() const {
  States states;
  Add({}, states);
  return states;
}

PatternAutomaton::States PatternAutomaton::Next(State from, char c) const {
  States next;
  if (from.step == steps_.size()) return next;
  const Step& step = steps_[from.step];
  switch (step.kind) {
    case PatternPart::Kind::kLiteral:
      if (step.literal == c) Add({from.step + 1, Phase::kBefore}, next);
      break;
    case PatternPart::Kind::kSegment:
      if (IsWord(c)) {
        Add({from.step, Phase::kInside}, next);
      } else if ((c == '-' || c == '.') && from.phase != Phase::kBefore) {
        Add({from.step, Phase::kInsideSpecial}, next);
      }
      break;
    case PatternPart::Kind::kRest:
      if (c != '\n') Add(from, next);
      break;
  }
  return next;
}

PatternAutomaton::States PatternAutomaton::Next(const States& from, char c) const {
  States next;
  for (const State& state : from) next.merge(Next(state, c));
  return next;
}

// Looks for a path that `other` matches and this does not: every place of `other`, with all places
// that this may be at after the same bytes.
bool PatternAutomaton::Covers(const PatternAutomaton& other) const {
  using Pair = std::pair<State, States>;
  std::set<Pair> seen;
  std::deque<Pair> open;
  const auto reach = [&](const States& theirs, const States& ours) {
    for (const State& state : theirs) {
      if (seen.emplace(state, ours).second) open.emplace_back(state, ours);
    }
  };
  reach(other.Start(), Start());
  while (!open.empty()) {
    const auto [theirs, ours] = std::move(open.front());
    open.pop_front();
    if (theirs == other.End() && !ours.contains(End())) return false;
    for (const char c : Alphabet()) {
      const States next = other.Next(theirs, c);
      if (!next.empty()) reach(next, Next(ours, c));
    }
  }
  return true;
}

PatternAutomaton::Progress PatternAutomaton::Follow(std::string_view path) const {
  Progress progress{0, Start()};
  for (const char c : path) {
    States next = Next(progress.states, c);
    if (next.empty()) break;
    progress.states = std::move(next);
    ++progress.bytes;
  }
  return progress;
}

std::string PatternAutomaton::Expected(State state) const {
  if (state == End()) return "the end";
  const Step& step = steps_[state.step];
  const PatternPart& part = parts_[step.part];
  if (step.kind == PatternPart::Kind::kSegment)
    return Concat({"{", part.text, "}, which takes ", kSegmentRule});
  std::size_t first = state.step;
  while (first > 0 && steps_[first - 1].part == step.part) --first;
  return Quoted(std::string_view(part.text).substr(state.step - first));
}

std::string PatternAutomaton::WhyNot(std::string_view path) const {
  const Progress progress = Follow(path);
  std::string text = Concat({"after ", Quoted(path.substr(0, progress.bytes)), " it expects "});
  std::string expected;
  for (const State& state : progress.states) {
    if (!expected.empty()) expected += " or ";
    expected += Expected(state);
  }
  text += expected;
  const std::string_view rest = path.substr(progress.bytes);
  return text + (rest.empty() ? ", and the path ends there" : Concat({", not ", Quoted(rest)}));
}

}  // namespace belfry::internal
