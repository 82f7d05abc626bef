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

// Where a rule stands.
struct Origin {
  std::string policy;
  int line = 0;
};

// What several policies say together about one path pattern, and which of their lines say it.
struct MergedRule {
  PathRule rule;
  std::vector<Origin> origins;
};

// Whether some paths need `sudo` besides the capability of the operation. (vault-api-and-events
// 5.3, step 9)
bool NeedsSudo(std::string_view path);

// Several policies as one, and the answers that they give: all that is decided about access is
// decided here. Immutable, thread-safe. (vault-api-and-events 5.2, 5.3)
//
// A rule for the exact path beats every pattern, even if it grants less; among patterns the one
// that is literal for longest wins; rules of different patterns never add up. The same pattern in
// several policies is one rule: capabilities, parameters and event types are united whatever the
// order, of two wrapping bounds the smaller stands, and deny wins over everything.
class Acl {
 public:
  explicit Acl(const std::vector<std::shared_ptr<const Policy>>& policies);

  // Whether the policy "root" is among them: then everything is allowed.
  bool root() const { return root_; }

  bool Allows(const Question& question) const;
  // Whether an event of `type` on `path` may be told. No path: only to root.
  bool AllowsEvent(std::string_view path, std::string_view type) const;
  // The names of what is allowed on the path, in lexical order: {"root"} or {"deny"} when that is
  // all.
  std::vector<std::string> CapabilitiesOn(std::string_view path) const;

  // Whether some rule grants something at or below the path of a mount, which ends in '/'.
  bool ReachesInto(std::string_view mount) const;

  // The rule that decides, or nullptr when no pattern matches. It lives as long as the Acl.
  const MergedRule* Decisive(Capability capability, std::string_view path) const;

 private:
  using Rules = std::map<std::string, MergedRule, std::less<>>;

  void Add(const Policy& policy, const PathRule& rule);
  Rules& RulesFor(const PathRule& rule);
  const MergedRule* Exact(std::string_view path) const;
  const MergedRule* LongestPrefix(std::string_view path) const;
  const MergedRule* BestPattern(std::string_view path) const;

  bool root_ = false;
  Rules exact_;
  Rules prefix_;
  Rules segments_;         // With "+", whole.
  Rules segments_prefix_;  // With "+", and a '*' at the end that is not in the key.
};

}  // namespace belfry::access
