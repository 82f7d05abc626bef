#include "server/builtin/endpoint.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/event_rules.h"
#include "base/glob.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/access/explanation.h"
#include "server/access/token_store.h"
#include "server/builtin/canonical_names.h"
#include "server/builtin/json_text.h"
#include "server/subscriptions/query.h"

namespace belfry::builtin {
namespace {

using access::Finding;
using access::Verdict;
using mounts::Operation;

constexpr std::string_view kExplain = "sys/events/explain";
// Whoever connects must be allowed to read this and the type as it is asked for.
constexpr std::string_view kSubscribe = "sys/events/subscribe/";
// The host's own events, which come from no plugin.
constexpr std::string_view kHostMount = "sys/";
constexpr std::string_view kHostTypes = "sys/*";

struct Wording {
  std::string_view verdict;
  std::string_view reason;
};

Wording WordingOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGranted:
      return {"granted", "the rule grants it"};
    case Verdict::kRoot:
      return {"granted", "the policy root grants everything"};
    case Verdict::kNoRule:
      return {"denied", "no rule matches"};
    case Verdict::kDeny:
      return {"denied", "the rule denies the path"};
    case Verdict::kNoCapability:
      return {"denied", "the rule lacks the capability"};
    case Verdict::kNoSudo:
      return {"denied", "the rule lacks sudo"};
    case Verdict::kWrapping:
      return {"denied", "the rule bounds the wrapping time"};
    case Verdict::kParameters:
      return {"denied", "the rule bounds the parameters"};
    case Verdict::kOtherTypes:
      return {"denied", "the event type is not among subscribe_event_types"};
    case Verdict::kSomeTypes:
      return {"partly", "subscribe_event_types has only some of the event types"};
  }
  return {"denied", ""};
}

std::string OriginText(const access::Origin& origin) {
  return ObjectText()
      .Raw("capabilities", ArrayText(origin.rule->capabilities.Names()))
      .Number("column", origin.rule->position.column)
      .Number("line", origin.rule->position.line)
      .Text("path", origin.rule->written)
      .Text("policy", origin.policy->name)
      .Raw("subscribe_event_types", ArrayText(origin.rule->subscribe_event_types))
      .Finish();
}

std::string ListText(const std::vector<std::string>& objects) {
  std::string list;
  for (const std::string& object : objects) list += Concat({list.empty() ? "" : ",", object});
  return Concat({"[", list, "]"});
}

std::string OriginsText(const Finding& finding) {
  std::vector<std::string> origins;
  if (finding.decision.rule != nullptr) {
    for (const access::Origin& origin : finding.decision.rule->origins) {
      origins.push_back(OriginText(origin));
    }
  }
  return ListText(origins);
}

// Whether one of the rules that decide is so.
template <typename IsSo>
bool AnyRule(const Finding& finding, IsSo is_so) {
  if (finding.decision.rule == nullptr) return false;
  const std::vector<access::Origin>& origins = finding.decision.rule->origins;
  return std::any_of(origins.begin(), origins.end(),
                     [&](const access::Origin& origin) { return is_so(*origin.rule); });
}

std::string ReasonText(const Finding& finding, std::string_view capability) {
  const Verdict verdict = finding.decision.verdict;
  std::string reason(WordingOf(verdict).reason);
  if (verdict == Verdict::kNoCapability) reason += Concat({" ", capability});
  if (verdict == Verdict::kOtherTypes &&
      !AnyRule(finding, [](const auto& rule) { return !rule.subscribe_event_types.empty(); })) {
    reason = "the rule has no subscribe_event_types, without which it is about no event";
  }
  const bool has_plain_star = AnyRule(finding, [](const auto& rule) {
    const std::size_t star = rule.written.find('*');
    return star != std::string::npos && star + 1 < rule.written.size();
  });
  if (has_plain_star) {
    reason +=
        "; a * that is not at the end of its path stands for itself: write + for any one segment";
  }
  return reason;
}

ObjectText FindingObject(const Finding& finding, std::string_view capability) {
  const Wording wording = WordingOf(finding.decision.verdict);
  ObjectText object;
  object.Text("grant", finding.grant)
      .Text("path", finding.path)
      .Text("reason", ReasonText(finding, capability))
      .Raw("rules", OriginsText(finding))
      .Text("verdict", wording.verdict);
  return object;
}

std::string EventText(const Finding& finding) {
  return FindingObject(finding, "subscribe").Finish();
}

enum class Sight { kOwn, kAllMounts };

// What is asked, of whom.
struct Asked {
  std::string type;
  std::string path;                   // "": about every mount.
  subscriptions::Query subscription;  // What a subscription is to be opened with.
  access::Identity subject;
  Sight sight = Sight::kOwn;
};

// The parameters that are not this endpoint's own: a name has a text, or an array of them.
subscriptions::Query SubscriptionIn(const Call& call) {
  subscriptions::Query query;
  boost::system::error_code error;
  const boost::json::value data = boost::json::parse({call.data.data(), call.data.size()}, error);
  const boost::json::object* const parameters = data.if_object();
  if (parameters == nullptr) return query;
  for (const auto& [name, value] : *parameters) {
    if (name == "path" || name == "accessor") continue;
    const boost::json::array values =
        value.is_array() ? value.get_array() : boost::json::array{value};
    for (const boost::json::value& one : values) {
      if (one.is_string()) query.emplace_back(name, one.get_string());
    }
  }
  return query;
}

std::variant<Asked, Answer> Parse(const Dependencies& dependencies, const Call& call) {
  Asked asked{.type = std::string(WithoutPrefix(call.path.substr(kExplain.size()), "/")),
              .path = call.fields.Text("path"),
              .subscription = SubscriptionIn(call),
              .subject = call.identity};
  if (asked.type.empty()) return ErrorAnswer(400, "did not specify eventType to explain");
  // As those of events.
  asked.path = WithoutSuffix(WithoutPrefix(asked.path, "/"), "/");
  if (std::optional<Answer> refusal = RefusePath(asked.path, dependencies.limits)) {
    return *std::move(refusal);
  }
  const absl::Status status = subscriptions::CheckTypePattern(asked.type, dependencies.limits);
  if (!status.ok()) return ErrorAnswer(400, ToStd(status.message()));
  const bool sudo =
      dependencies.authorizer->Allows(call.identity, access::Capability::kSudo, call.path);
  if (sudo) asked.sight = Sight::kAllMounts;
  const std::string accessor = call.fields.Text("accessor");
  if (accessor.empty() || accessor == call.identity.accessor) return asked;
  if (!sudo) return Denied();
  access::TokenStore::TokenPtr token = dependencies.tokens->FindByAccessor(accessor);
  if (token == nullptr) return UnknownAccessor();
  asked.subject = access::IdentityOf(std::move(token));
  return asked;
}

// Whether events may come from it.
bool EmitsEvents(const mounts::Mount& mount, std::string_view type) {
  if (mount.engine != nullptr) return true;
  return mount.entry.path == kHostMount && GlobsOverlap(type, kHostTypes);
}

// What the paths of its events begin with, up to a '/'. The host's own are about plugins only.
std::string_view EventPathsOf(const mounts::Mount& mount) {
  return mount.engine == nullptr ? kHostEventPaths : std::string_view(mount.entry.path);
}

std::string MountText(const access::Acl& acl, const mounts::Mount& mount, std::string_view type) {
  std::vector<std::string> findings;
  for (const Finding& finding : access::ExplainMount(acl, EventPathsOf(mount), type)) {
    findings.push_back(EventText(finding));
  }
  return ObjectText()
      .Text("mount", mount.entry.path)
      .Raw("patterns", ListText(findings))
      .Text("type", mount.entry.type)
      .Finish();
}

using Mounts = std::vector<std::shared_ptr<const mounts::Mount>>;

// Those that events of the type may come from, as far as the caller may know of them.
Mounts MountsToExplain(const Dependencies& dependencies, const access::Acl& acl,
                       const Asked& asked) {
  Mounts mounts = dependencies.router->List();
  std::erase_if(mounts, [&](const std::shared_ptr<const mounts::Mount>& mount) {
    return !EmitsEvents(*mount, asked.type) ||
           (asked.sight != Sight::kAllMounts && !acl.ReachesInto(mount->entry.path));
  });
  return mounts;
}

// Each pattern with "+" may reach into each mount.
std::optional<Answer> RefuseTooMany(const access::Acl& acl, const Mounts& mounts,
                                    std::size_t most) {
  std::size_t patterns = 0;
  for (const std::shared_ptr<const mounts::Mount>& mount : mounts) {
    patterns += acl.root() ? 1 : acl.RulesInto(EventPathsOf(*mount)).size() + 1;
    if (patterns > most) {
      return ErrorAnswer(
          400, Concat({"the policies have more than ", std::to_string(most),
                       " patterns for these mounts; ask about one path of an event with path="}));
    }
  }
  return std::nullopt;
}

std::string MountsText(const access::Acl& acl, const Mounts& mounts, std::string_view type) {
  std::vector<std::string> texts;
  for (const std::shared_ptr<const mounts::Mount>& mount : mounts) {
    texts.push_back(MountText(acl, *mount, type));
  }
  return ListText(texts);
}

// An event that names no path has that of its mount; the host's own name theirs.
bool CanHaveEvents(const mounts::Mount& mount, std::string_view path) {
  return mount.engine != nullptr || path.starts_with(kHostEventPaths);
}

// Where events of a path come from.
struct Source {
  std::string mount;  // "": none that the caller may know of.
  std::string note;   // Why no event may come, whatever the policies say.
  bool none = false;  // That is certain: no policy would help.
};

Source SourceOf(const Dependencies& dependencies, const access::Acl& acl, const Asked& asked) {
  std::optional<mounts::Route> route = dependencies.router->Find(asked.path);
  // An event that names no path has that of its mount without the slash.
  if (!route) route = dependencies.router->Find(Concat({asked.path, "/"}));
  const bool sees_all = asked.sight == Sight::kAllMounts;
  if (!route && sees_all) {
    return {.note = "nothing is mounted there: a path begins with its mount", .none = true};
  }
  // Whether there is one is not to be told.
  if (!route || !(sees_all || acl.ReachesInto(route->mount->entry.path))) {
    return {.note =
                "the token knows of no mount there: a path begins with its mount, and what is "
                "proposed helps only where there is one"};
  }
  Source source{.mount = route->mount->entry.path};
  source.none = !EmitsEvents(*route->mount, asked.type);
  if (source.none) {
    source.note = "this mount sends no such events";
  } else if (!CanHaveEvents(*route->mount, asked.path)) {
    source.none = true;
    source.note =
        Concat({"the host's own events are about ", kHostEventPaths, " and a plugin's name only"});
  }
  return source;
}

std::string PathText(const Dependencies& dependencies, const access::Acl& acl, const Asked& asked) {
  const Source source = SourceOf(dependencies, acl, asked);
  Finding finding = access::ExplainEvent(acl, asked.path, asked.type);
  if (source.none) finding.grant.clear();
  ObjectText object = FindingObject(finding, "subscribe");
  object.Text("mount", source.mount);
  if (!source.note.empty()) object.Text("note", source.note);
  return object.Finish();
}

Answer Explain(const Dependencies& dependencies, const Call& call) {
  const std::variant<Asked, Answer> parsed = Parse(dependencies, call);
  if (const auto* refusal = std::get_if<Answer>(&parsed)) return *refusal;
  const Asked& asked = std::get<Asked>(parsed);
  const std::shared_ptr<const access::Acl> acl = dependencies.authorizer->RulesOf(asked.subject);
  Mounts mounts;
  if (asked.path.empty()) mounts = MountsToExplain(dependencies, *acl, asked);
  if (std::optional<Answer> refusal =
          RefuseTooMany(*acl, mounts, dependencies.limits.max_explained_patterns)) {
    return *std::move(refusal);
  }
  const std::string connect = Concat({kSubscribe, asked.type});
  const std::string_view type = asked.type;
  const boost::json::object parameters = subscriptions::ParametersOf(asked.subscription);
  ObjectText data;
  data.Text("accessor", asked.subject.accessor)
      .Raw(
          "connect",
          FindingObject(access::Explain(*acl, {.path = connect, .parameters = &parameters}), "read")
              .Finish());
  if (!asked.path.empty()) data.Raw("event", PathText(dependencies, *acl, asked));
  data.Text("event_type", type);
  if (asked.path.empty()) data.Raw("mounts", MountsText(*acl, mounts, type));
  std::string text = data.Raw("policies", ArrayText(asked.subject.policies)).Finish();
  return EnvelopeAnswer({.request_id = call.id, .data = std::move(text), .mount_type = "system"});
}

constexpr DeclaredField kFields[] = {{"accessor", FieldKind::kText}, {"path", FieldKind::kText}};

constexpr Endpoint kEndpoints[] = {
    {.path = kExplain,
     .operation = Operation::kRead,
     .place = Place::kExplainExecutor,
     .fields = kFields,
     .answer = &Explain},
    {.path = "sys/events/explain/*",
     .operation = Operation::kRead,
     .place = Place::kExplainExecutor,
     .fields = kFields,
     .answer = &Explain},
};

}  // namespace

std::span<const Endpoint> ExplainEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
