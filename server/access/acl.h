#pragma once

#include <boost/json/object.hpp>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "server/access/capability.h"
#include "server/access/policy.h"
#include "server/access/segment_rules.h"

namespace belfry::access {

// What somebody wants to do. Everything that it points to must live while it is asked.
struct Question {
  Capability capability = Capability::kRead;
  std::string_view path;  // With its mount, without "/v1/".
  // Of the request; nullptr: it has none.
  const boost::json::object* parameters = nullptr;
  // How long the answer is to be wrapped; zero: not at all.
  absl::Duration wrap_ttl;
};

// Where a rule stands, and what it says there by itself. Both live as long as the Acl.
struct Origin {
  const Policy* policy = nullptr;
  const PathRule* rule = nullptr;
};

// What several policies say together about one path pattern, and which of their lines say it.
struct MergedRule {
  PathRule rule;
  std::vector<Origin> origins;
};

// How a question is decided. The first two allow it.
enum class Verdict {
  kGranted,
  kRoot,          // The policy "root" allows everything.
  kNoRule,        // No pattern matches.
  kDeny,          // The rule says "deny".
  kNoCapability,  // The rule lacks the capability that was asked for.
  kNoSudo,        // The path needs "sudo" besides.
  kWrapping,      // The rule bounds how long the answer is to be wrapped.
  kParameters,    // The rule does not let these parameters through.
  kOtherTypes,    // The rule has "subscribe", for other types of events.
  kSomeTypes      // A pattern was asked about, and the rule grants only some of the types it means.
};

// A decision, and the rule that it comes from, which lives as long as the Acl; nullptr: from none.
struct Decision {
  Verdict verdict = Verdict::kNoRule;
  const MergedRule* rule = nullptr;
  bool allowed() const { return verdict == Verdict::kGranted || verdict == Verdict::kRoot; }
};

// What a rule says about events of `type` on the paths for which it decides. A type with '*' stands
// for all that match it: kGranted only if one of the rule's own types covers them all.
Verdict VerdictOnEvents(const PathRule& rule, std::string_view type);

// Whether some paths need `sudo` besides the capability of the operation. (vault-api-and-events
// 5.3, step 9)
bool NeedsSudo(std::string_view path);

// The pattern as a policy writes it, without a '/' at the front.
std::string PatternOf(const PathRule& rule);
// Whether the pattern matches every path that begins with `folder`, which ends in '/'.
bool Covers(const PathRule& rule, std::string_view folder);
// Whether one of two patterns that match the same path decides rather than the other.
bool Outranks(const PathRule& rule, const PathRule& other);

// Several policies as one, and the answers that they give: all that is decided about access is
// decided here. Immutable, thread-safe. (vault-api-and-events 5.2, 5.3)
//
// A rule for the exact path beats every pattern, even if it grants less; among patterns the one
// that is literal for longest wins; rules of different patterns never add up. The same pattern in
// several policies is one rule: capabilities, parameters and event types are united whatever the
// order, of two wrapping bounds the smaller stands, and deny wins over everything. To decide costs
// time linear in the path.
class Acl {
 public:
  explicit Acl(const std::vector<std::shared_ptr<const Policy>>& policies);
  Acl(const Acl&) = delete;
  Acl& operator=(const Acl&) = delete;

  // About how much memory it takes up, apart from its policies.
  std::size_t bytes() const { return bytes_; }

  // Whether the policy "root" is among them: then everything is allowed.
  bool root() const { return root_; }

  Decision Decide(const Question& question) const;
  bool Allows(const Question& question) const { return Decide(question).allowed(); }
  // About telling an event of `type` on `path`, as VerdictOnEvents of the rule for the path. No
  // path: only to root.
  Decision DecideEvent(std::string_view path, std::string_view type) const;
  bool AllowsEvent(std::string_view path, std::string_view type) const {
    return DecideEvent(path, type).allowed();
  }
  // The names of what is allowed on the path, in lexical order: {"root"} or {"deny"} when that is
  // all.
  std::vector<std::string> CapabilitiesOn(std::string_view path) const;

  // Whether the rule for the path bounds the parameters of a request; else what they are does not
  // matter.
  bool BoundsParameters(Capability capability, std::string_view path) const;

  // Whether some rule grants something at or below the path of a mount, which ends in '/'.
  bool ReachesInto(std::string_view mount) const;

  // The rule that decides, or nullptr when no pattern matches. It lives as long as the Acl.
  const MergedRule* Decisive(Capability capability, std::string_view path) const;

  // The rules that can decide about an event of a mount, whose path ends in '/', in the order of
  // their patterns. Costs as much as there are such rules, not as there are rules.
  std::vector<const MergedRule*> RulesInto(std::string_view mount) const;
  // The same policies and one more.
  Acl With(std::shared_ptr<const Policy> policy) const;

 private:
  using Rules = std::map<std::string, MergedRule, std::less<>>;

  void Add(const Policy& policy, const PathRule& rule);
  void Finish();
  Rules& RulesFor(const PathRule& rule);
  const MergedRule* Exact(std::string_view path) const;
  const MergedRule* LongestPrefix(std::string_view path) const;
  const MergedRule* BestPattern(std::string_view path) const;

  bool root_ = false;
  std::vector<std::shared_ptr<const Policy>> policies_;  // Shared with the store.
  Rules exact_;
  Rules prefix_;
  Rules segments_;           // With "+", whole.
  Rules segments_prefix_;    // With "+", and a '*' at the end that is not in the key.
  SegmentRules by_segment_;  // Those of both.
  std::size_t bytes_ = 0;
};

}  // namespace belfry::access
