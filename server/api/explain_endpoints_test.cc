// sys/events/explain, on the real policies and tokens.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "server/api/fakes.h"

namespace belfry::api {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kDenied[] = "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}\n";

std::string Text(const json::value& value) {
  return std::string(value.as_string());
}

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() {
    mounts::MountEntry other;
    other.path = "other/";
    other.type = "kv";
    fixture_.mounts.Add(std::move(other));
    fixture_.mounts.AddOwn("cubbyhole/", "cubbyhole");
    WritePolicy("app",
                "path \"sys/events/subscribe/kv*\" { capabilities = [\"read\"] }\n"
                "path \"secret/data/app/*\" {\n"
                "  capabilities = [\"subscribe\"]\n"
                "  subscribe_event_types = [\"kv-v2/data-*\"]\n"
                "}\n"
                "path \"secret/metadata/*\" { capabilities = [\"list\"] }\n");
    token_ = Create({.policies = {"app"}});
  }

  void WritePolicy(std::string_view name, std::string_view text) {
    ASSERT_EQ(fixture_.policies.store->Put(name, text), absl::OkStatus());
  }
  // Its secret.
  std::string Create(access::TokenRequest request) {
    auto planned = access::PlanToken(fixture_.tokens.root->entry, access::CreatorRights::kSudo,
                                     std::move(request));
    EXPECT_TRUE(planned.ok() && fixture_.tokens.store->Create(&*planned).ok());
    return planned->secret;
  }
  std::string AccessorOf(const std::string& token) {
    return fixture_.tokens.store->Find(token)->entry.accessor;
  }

  using Query = std::vector<std::pair<std::string, std::string>>;
  HttpResponse Send(const std::string& type, Query query = {}, const std::string& token = "") {
    HttpRequest request = AsRoot("GET", "/v1/sys/events/explain/" + type);
    request.headers = {{"X-Vault-Token", token.empty() ? token_ : token}};
    request.query = std::move(query);
    return fixture_.Send(std::move(request));
  }
  json::value Data(const std::string& type, Query query = {}, const std::string& token = "") {
    const HttpResponse answer = Send(type, std::move(query), token);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body).at("data");
  }
  json::value Event(const std::string& type, const std::string& path,
                    const std::string& token = "") {
    return Data(type, {{"path", path}}, token).at("event");
  }
  // "secret/ secret/data/app/* granted", for each pattern of each mount.
  static std::vector<std::string> Table(const json::value& data) {
    std::vector<std::string> rows;
    for (const json::value& mount : data.at("mounts").as_array()) {
      for (const json::value& finding : mount.at("patterns").as_array()) {
        rows.push_back(Text(mount.at("mount")) + " " + Text(finding.at("path")) + " " +
                       Text(finding.at("verdict")));
      }
    }
    return rows;
  }
  // Whether a subscription is opened.
  bool Connects(const std::string& type, const std::string& token) {
    HttpRequest request = AsRoot("GET", "/v1/sys/events/subscribe/" + type);
    request.headers = {{"Host", "h"}, {"X-Vault-Token", token}};
    request.subscriber = std::make_shared<subscriptions::FakeSubscriber>();
    return std::holds_alternative<subscriptions::OpenedSubscription>(fixture_.OutcomeOf(request));
  }

  ApiFixture fixture_{Access::kReal};
  std::string token_;
};

TEST_F(ExplainTest, WhereNoEventsComeFromNoPolicyIsProposed) {
  WritePolicy("explain",
              "path \"sys/events/explain/*\" { capabilities = [\"read\", \"sudo\"] }\n"
              "path \"cubbyhole/*\" { capabilities = [\"read\"] }\n");
  const std::string sudo = Create({.policies = {"explain"}});
  const std::tuple<const char*, const char*, bool> cases[] = {
      {"nowhere/x", "nothing is mounted there: a path begins with its mount", false},
      {"cubbyhole/x", "this mount sends no such events", false},
      {"secret/data/x", "", true},
      {"secret", "", true},
  };
  for (const auto& [path, note, proposed] : cases) {
    const json::value event = Event("kv*", path, sudo);
    EXPECT_EQ(Text(event.at("verdict")), "denied") << path;
    EXPECT_EQ(!Text(event.at("grant")).empty(), proposed) << path;
    const json::value* const said = event.as_object().if_contains("note");
    EXPECT_EQ(said == nullptr ? "" : Text(*said), note) << path;
  }
}

// Else a token could find out what is mounted.
TEST_F(ExplainTest, WhoMayNotKnowOfAMountIsToldTheSameWhetherItIsThere) {
  json::value there = Event("kv*", "other/data/x");
  json::value nowhere = Event("kv*", "nowhere/data/x");
  EXPECT_EQ(Text(there.at("note")),
            "the token knows of no mount there: a path begins with its mount, and what is proposed "
            "helps only where there is one");
  for (const char* name : {"path", "grant"}) {
    there.as_object().erase(name);
    nowhere.as_object().erase(name);
  }
  EXPECT_EQ(there, nowhere);
}

TEST_F(ExplainTest, MorePatternsThanTheLimitAreRefusedButNotAPath) {
  std::string text = "path \"sys/events/explain/*\" { capabilities = [\"read\", \"sudo\"] }\n";
  for (std::size_t i = 0; i <= Limits().max_explained_patterns / 2; ++i) {
    text += "path \"+/data/" + std::to_string(i) + "\" { capabilities = [\"read\"] }\n";
  }
  WritePolicy("large", text);
  const std::string token = Create({.policies = {"large"}});
  const HttpResponse answer = Send("kv*", {}, token);
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, ::testing::HasSubstr("more than 10000 patterns"));
  EXPECT_EQ(Text(Event("kv*", "secret/data/1", token).at("verdict")), "denied");
}

TEST_F(ExplainTest, APathIsExplainedByTheLineThatDecides) {
  const HttpResponse answer = Send("kv-v2/data-write", {{"path", "secret/data/app/key"}});
  EXPECT_EQ(answer.status, 200);
  json::value body = json::parse(answer.body);
  EXPECT_EQ(body.at("mount_type"), "system");
  EXPECT_EQ(body.at("data"), json::parse(R"({"accessor": ")" + AccessorOf(token_) + R"(",
        "connect": {"grant": "", "path": "sys/events/subscribe/kv-v2/data-write",
          "reason": "the rule grants it", "verdict": "granted", "rules": [
            {"capabilities": ["read"], "column": 6, "line": 1, "path": "sys/events/subscribe/kv*",
             "policy": "app", "subscribe_event_types": []}]},
        "event": {"grant": "", "mount": "secret/", "path": "secret/data/app/key",
          "reason": "the rule grants it", "verdict": "granted", "rules": [
            {"capabilities": ["subscribe"], "column": 6, "line": 2, "path": "secret/data/app/*",
             "policy": "app", "subscribe_event_types": ["kv-v2/data-*"]}]},
        "event_type": "kv-v2/data-write",
        "policies": ["app", "default"]})"));
}

TEST_F(ExplainTest, EveryReasonHasItsWords) {
  const auto reason = [this](const char* type, const char* path) {
    const json::value event = Event(type, path);
    return Text(event.at("verdict")) + ": " + Text(event.at("reason"));
  };
  EXPECT_EQ(reason("kv-v2/data-write", "secret/data/x"), "denied: no rule matches");
  EXPECT_EQ(reason("kv-v2/metadata-write", "secret/metadata/x"),
            "denied: the rule lacks the capability subscribe");
  EXPECT_EQ(reason("kv-v2/metadata-write", "secret/data/app/x"),
            "denied: the event type is not among subscribe_event_types");
  EXPECT_EQ(reason("kv*", "secret/data/app/x"),
            "partly: subscribe_event_types has only some of the event types");
  WritePolicy("app", "path \"secret/*\" { capabilities = [\"subscribe\"] }");
  EXPECT_EQ(reason("kv*", "secret/data/x"),
            "denied: the rule has no subscribe_event_types, without which it is about no event");
  WritePolicy("app",
              "path \"secret/*/x\" { capabilities = [\"subscribe\"] subscribe_event_types = "
              "[\"*\"] }");
  EXPECT_EQ(
      reason("kv*", "secret/*/x"),
      "granted: the rule grants it; a * that is not at the end of its path stands for itself: "
      "write + for any one segment");
  WritePolicy("app", "path \"secret/*\" { capabilities = [\"deny\"] }");
  EXPECT_EQ(reason("kv*", "secret/data/x"), "denied: the rule denies the path");
  EXPECT_EQ(Text(Event("kv*", "x", "root").at("reason")), "the policy root grants everything");
}

TEST_F(ExplainTest, ThePathIsReadAsThatOfAnEvent) {
  EXPECT_EQ(Event("kv-v2/data-write", "/secret/data/app/x/").at("path"), "secret/data/app/x");
  EXPECT_EQ(Send("kv*", {{"path", "secret/../x"}}).status, 400);
  EXPECT_EQ(Send("kv*", {{"path", "a\nb"}}).status, 400);
}

TEST_F(ExplainTest, WithoutAPathItGoesThroughTheMountsThatTheTokenMayKnow) {
  EXPECT_THAT(Table(Data("kv-v2/data-write")),
              ElementsAre("secret/ secret/data/app/* granted", "secret/ secret/metadata/* denied",
                          "secret/ secret/* denied"));
  // Where some events of the pattern are allowed.
  EXPECT_THAT(Table(Data("kv*")),
              ElementsAre("secret/ secret/data/app/* partly", "secret/ secret/metadata/* denied",
                          "secret/ secret/* denied"));
  EXPECT_THAT(Table(Data("kv*", {}, "root")),
              ElementsAre("other/ other/* granted", "secret/ secret/* granted"));
  EXPECT_THAT(Table(Data("sys/plugin-crash", {}, "root")),
              ElementsAre("other/ other/* granted", "secret/ secret/* granted",
                          "sys/ sys/plugins/catalog/secret/* granted"));
  const std::string nobody = Create({.policies = {"none"}});
  EXPECT_THAT(Table(Data("kv*", {}, nobody)), IsEmpty());
}

TEST_F(ExplainTest, OfTheHostsOwnEventsOnlyThosePathsAreShownThatTheyCanHave) {
  const json::value all = Data("*");
  std::vector<std::string> rows;
  for (const std::string& row : Table(all)) {
    if (row.starts_with("sys/ ")) rows.push_back(row);
  }
  EXPECT_THAT(rows, ElementsAre("sys/ sys/plugins/catalog/secret/* denied"));
  // What is proposed for it helps.
  const json::value crash = Event("sys/plugin-crash", "sys/plugins/catalog/secret/kv");
  EXPECT_EQ(crash.as_object().if_contains("note"), nullptr);
  WritePolicy("more", Text(crash.at("grant")));
  const std::string token = Create({.policies = {"more"}});
  EXPECT_EQ(Event("*", "sys/plugins/catalog/secret/kv", token).at("mount"), "sys/");
  for (const char* path : {"sys/tools/hash", "sys/plugins/catalog/secret", "sys"}) {
    const json::value event = Event("*", path);
    EXPECT_EQ(Text(event.at("grant")), "") << path;
    EXPECT_EQ(Text(event.at("note")),
              "the host's own events are about sys/plugins/catalog/secret/ and a plugin's name "
              "only")
        << path;
  }
}

TEST_F(ExplainTest, AMountThatTheTokenMayNotKnowOfIsNotNamed) {
  EXPECT_EQ(Event("kv*", "other/data/x").at("mount"), "");
  EXPECT_EQ(Event("kv*", "other/data/x", "root").at("mount"), "other/");
  EXPECT_EQ(Event("kv*", "nowhere/x", "root").at("mount"), "");
}

TEST_F(ExplainTest, AMountWhoseEveryPathIsDeniedIsNotNamedThoughAPatternThatGrantsReachesIt) {
  WritePolicy("team",
              "path \"oth*\" { capabilities = [\"read\"] }\n"
              "path \"other*\" { capabilities = [\"deny\"] }\n");
  const std::string token = Create({.policies = {"app", "team"}});
  EXPECT_EQ(Event("kv*", "other/data/x", token).at("mount"), "");
}

TEST_F(ExplainTest, TheOfferedLinesGrantWhatWasAskedFor) {
  for (const char* path :
       {"secret/data/x", "secret/metadata/x", "secret/delete/app/x", "other/x"}) {
    const json::value before = Event("kv-v2/data-write", path);
    EXPECT_EQ(before.at("verdict"), "denied");
    WritePolicy("more", Text(before.at("grant")));
    const std::string token = Create({.policies = {"app", "more"}});
    EXPECT_EQ(Event("kv-v2/data-write", path, token).at("verdict"), "granted");
  }
  WritePolicy("more", Text(Data("ldap/*").at("connect").at("grant")));
  EXPECT_FALSE(Connects("ldap/*", token_));
  EXPECT_TRUE(Connects("ldap/*", Create({.policies = {"app", "more"}})));
}

TEST_F(ExplainTest, TheConnectionIsExplainedAsItIsDecided) {
  for (const char* type : {"kv*", "kv-v2/data-write", "*", "ldap/*", "k*"}) {
    EXPECT_EQ(Data(type).at("connect").at("verdict") == "granted", Connects(type, token_)) << type;
  }
}

TEST_F(ExplainTest, AnotherTokenIsExplainedToWhoeverHasSudo) {
  WritePolicy("operator", "path \"sys/events/explain/*\" { capabilities = [\"read\", \"sudo\"] }");
  const std::string other = Create({.policies = {"operator"}});
  const Query query = {{"accessor", AccessorOf(token_)}};
  // All mounts, for an operator: also those that the token knows nothing of.
  EXPECT_THAT(Table(Data("kv-v2/data-write", query, other)),
              ElementsAre("other/ other/* denied", "secret/ secret/data/app/* granted",
                          "secret/ secret/metadata/* denied", "secret/ secret/* denied"));
  EXPECT_EQ(Text(Data("kv*", query, other).at("accessor")), AccessorOf(token_));
  EXPECT_EQ(Send("kv*", {{"accessor", "nobody"}}, other).status, 400);
  // One may ask about oneself, but not about others.
  EXPECT_EQ(Send("kv*", query).status, 200);
  const HttpResponse refused = Send("kv*", {{"accessor", AccessorOf(other)}});
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body, kDenied);
  // Whether there is such a token is not told either.
  EXPECT_EQ(Send("kv*", {{"accessor", "nobody"}}).body, kDenied);
}

TEST_F(ExplainTest, WhoeverMayNotReadItIsDenied) {
  const std::string bare = Create({.policies = {"app"}, .no_default_policy = true});
  const HttpResponse answer = Send("kv*", {}, bare);
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body, kDenied);
}

TEST_F(ExplainTest, ATypeIsNeededAndOnlyReadingIsSupported) {
  EXPECT_EQ(Send("", {}, "root").body, "{\"errors\":[\"did not specify eventType to explain\"]}\n");
  EXPECT_EQ(Send("", {}, "root").status, 400);
  for (const char* method : {"POST", "DELETE", "LIST"}) {
    EXPECT_EQ(fixture_.Send(AsRoot(method, "/v1/sys/events/explain/kv*")).status, 405) << method;
  }
}

}  // namespace
}  // namespace belfry::api
