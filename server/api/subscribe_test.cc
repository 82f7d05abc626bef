#include "server/api/subscribe.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/fakes.h"

namespace belfry::api {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr char kKey[] = "LC5679AlPpe3L12Ho2XP2Q==";

HttpRequest Upgrade(std::string type = "kv*") {
  HttpRequest request = AsRoot("GET", "/v1/sys/events/subscribe/" + type);
  request.headers.emplace_back("Connection", "keep-alive, Upgrade");
  request.headers.emplace_back("Upgrade", "websocket");
  request.headers.emplace_back("Sec-WebSocket-Version", "13");
  request.headers.emplace_back("Sec-WebSocket-Key", kKey);
  return request;
}

void SetHeader(HttpRequest& request, std::string_view name, std::string value) {
  for (auto& [key, old] : request.headers) {
    if (key == name) old = value;
  }
}

void RemoveHeader(HttpRequest& request, std::string_view name) {
  std::erase_if(request.headers, [name](const auto& header) { return header.first == name; });
}

class SubscribeTest : public ::testing::Test {
 protected:
  ApiFixture fixture_;

  // The refusal, or one with status 101 when there is none.
  HttpResponse Subscribe(const HttpRequest& request) {
    auto result = fixture_.Subscribe(request, std::make_shared<FakeSubscriber>());
    if (auto* refusal = std::get_if<HttpResponse>(&result)) return *refusal;
    format_ = std::get<OpenedSubscription>(result).format;
    return {.status = 101};
  }
  bus::Format format_ = bus::Format::kProtobuf;
};

TEST_F(SubscribeTest, EndpointIsKnownByItsPathWhateverTheMethod) {
  HttpRequest request;
  for (const char* path : {"/v1/sys/events/subscribe", "/v1/sys/events/subscribe/",
                           "/v1/sys/events/subscribe/kv-v2/data-write"}) {
    request.path = path;
    EXPECT_TRUE(fixture_.api->IsSubscribe(request)) << path;
  }
  for (const char* path :
       {"/v1/sys/events/subscribed", "/v1/sys/events", "/v1/ns/sys/events/subscribe/x"}) {
    request.path = path;
    EXPECT_FALSE(fixture_.api->IsSubscribe(request)) << path;
  }
}

TEST_F(SubscribeTest, OpensWhatWasAskedFor) {
  HttpRequest request = Upgrade("kv-v2/data-*");
  request.query = {
      {"json", "true"}, {"namespaces", "*"}, {"namespaces", ""}, {"namespaces", "/a//b/../c/"}};
  EXPECT_EQ(Subscribe(request).status, 101);
  EXPECT_EQ(format_, bus::Format::kCloudEventsJson);
  ASSERT_THAT(fixture_.bus.subscribed, SizeIs(1));
  EXPECT_EQ(fixture_.bus.subscribed[0].type_pattern, "kv-v2/data-*");
  EXPECT_THAT(fixture_.bus.subscribed[0].namespace_patterns, ElementsAre("", "*", "a/c"));
  EXPECT_EQ(fixture_.bus.subscribed[0].format, bus::Format::kCloudEventsJson);
}

TEST_F(SubscribeTest, FormatIsProtobufUnlessJsonIsTrue) {
  for (const char* no : {"", "0", "f", "F", "FALSE", "false", "False"}) {
    HttpRequest request = Upgrade();
    request.query = {{"json", no}};
    EXPECT_EQ(Subscribe(request).status, 101) << no;
    EXPECT_EQ(format_, bus::Format::kProtobuf) << no;
  }
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    HttpRequest request = Upgrade();
    request.query = {{"json", yes}};
    EXPECT_EQ(Subscribe(request).status, 101) << yes;
    EXPECT_EQ(format_, bus::Format::kCloudEventsJson) << yes;
  }
}

TEST_F(SubscribeTest, EventsAreShownToThoseWhoMaySeeThem) {
  fixture_.authorizer.allowed = [](access::Capability capability, std::string_view path) {
    return capability == access::Capability::kRead && path == "sys/events/subscribe/kv*";
  };
  fixture_.authorizer.allowed_event = [](std::string_view path, std::string_view type) {
    return path == "secret/data/a" && type == "kv-v2/data-write";
  };
  HttpRequest request = Upgrade();
  SetHeader(request, "X-Vault-Token", "reader");
  ASSERT_EQ(Subscribe(request).status, 101);
  bus::EventAuthorizer& event_authorizer = *fixture_.bus.subscribed[0].event_authorizer;
  EXPECT_TRUE(event_authorizer.Allows("secret/data/a", "kv-v2/data-write"));
  EXPECT_FALSE(event_authorizer.Allows("secret/data/b", "kv-v2/data-write"));
}

TEST_F(SubscribeTest, TokenIsCheckedFirst) {
  HttpRequest request = AsRoot("GET", "/v1/sys/events/subscribe/");
  request.query = {{"json", "maybe"}};
  SetHeader(request, "X-Vault-Token", "bogus");
  const HttpResponse unknown = Subscribe(request);
  EXPECT_EQ(unknown.status, 403);
  EXPECT_THAT(unknown.body, HasSubstr("invalid token"));
  SetHeader(request, "X-Vault-Token", "reader");
  const HttpResponse denied = Subscribe(request);
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.body, "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}\n");
  request.headers.clear();
  EXPECT_EQ(Subscribe(request).body, "{\"errors\":[\"permission denied\"]}\n");
}

TEST_F(SubscribeTest, LastTokenCountsWhenTheFirstIsNoLongerValid) {
  HttpRequest request = Upgrade();
  SetHeader(request, "X-Vault-Token", "expired");
  request.headers.emplace_back("X-Vault-Token", "older");
  request.headers.emplace_back("X-Vault-Token", "root");
  EXPECT_EQ(Subscribe(request).status, 101);
  request.headers.emplace_back("X-Vault-Token", "expired");
  EXPECT_EQ(Subscribe(request).status, 403);
  SetHeader(request, "X-Vault-Token", "root");
  EXPECT_EQ(Subscribe(request).status, 101);
}

TEST_F(SubscribeTest, MissingTypeIs400) {
  for (const char* type : {"", " "}) {
    const HttpResponse answer = Subscribe(Upgrade(type));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.body, "{\"errors\":[\"did not specify eventType to subscribe to\"]}\n");
  }
}

TEST_F(SubscribeTest, JsonThatIsNeitherIs400) {
  HttpRequest request = Upgrade();
  request.query = {{"json", "maybe"}};
  const HttpResponse answer = Subscribe(request);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "{\"errors\":[\"invalid parameter for JSON: maybe\"]}\n");
}

TEST_F(SubscribeTest, FilterReachesTheBusWithoutBlanksAround) {
  HttpRequest request = Upgrade();
  request.query = {{"filter", " operation == `data-write`\n"}, {"filter", "ignored"}};
  ASSERT_EQ(Subscribe(request).status, 101);
  ASSERT_NE(fixture_.bus.subscribed[0].filter, nullptr);
  EXPECT_EQ(fixture_.bus.subscribed[0].filter->text(), "operation == `data-write`");
}

TEST_F(SubscribeTest, ABlankFilterIsNone) {
  HttpRequest request = Upgrade();
  request.query = {{"filter", "  "}};
  ASSERT_EQ(Subscribe(request).status, 101);
  EXPECT_EQ(fixture_.bus.subscribed[0].filter, nullptr);
}

TEST_F(SubscribeTest, AFilterThatCannotMatchIs400AndSaysWhereAndWhy) {
  const std::pair<std::string, std::string> cases[] = {
      {"(operation == x", "1:16 (15): rule \\\"grouping\\\": Unmatched parentheses"},
      {"source_plugin_is_local == 5",
       "1:27 (26): source_plugin_is_local is true or false, not this"},
      {"operation matches `(`", "1:19 (18): this is no regular expression: missing ): ("},
      {std::string(20'000, 'x'), "longer than 16384 bytes"}};
  for (const auto& [filter, reason] : cases) {
    HttpRequest request = Upgrade();
    request.query = {{"filter", filter}};
    const HttpResponse answer = Subscribe(request);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.body, "{\"errors\":[\"invalid filter: " + reason + "\"]}\n");
  }
  EXPECT_THAT(fixture_.bus.subscribed, IsEmpty());
}

// The examples of vault-api-and-events 3.4 for a request to the root namespace.
TEST_F(SubscribeTest, NamespacePatternsAreThoseOfVault) {
  const std::pair<std::vector<std::string>, std::vector<std::string>> cases[] = {
      {{}, {""}},
      {{"ns*"}, {"", "ns*"}},
      {{""}, {""}},
      {{" "}, {""}},
      {{"*"}, {"", "*"}},
      {{"ns1/*", "ns2/"}, {"", "ns1/*", "ns2"}},
      {{"ns1,ns2"}, {"", "ns1,ns2"}},
      {{"a/../b"}, {"", "b"}}};
  for (const auto& [given, meant] : cases) {
    HttpRequest request = Upgrade();
    for (const std::string& pattern : given) request.query.emplace_back("namespaces", pattern);
    request.headers.emplace_back("X-Vault-Namespace", "");
    EXPECT_EQ(NamespacePatterns(request.query), meant);
    EXPECT_EQ(Subscribe(request).status, 101);
  }
}

TEST_F(SubscribeTest, ARequestToAnotherNamespaceIsRefusedBeforeItsToken) {
  for (const char* name : {"ns1", "ns1/", "/ns1/ns2"}) {
    HttpRequest request = Upgrade();
    SetHeader(request, "X-Vault-Token", "bogus");
    request.headers.emplace_back("X-Vault-Namespace", name);
    const HttpResponse answer = Subscribe(request);
    EXPECT_EQ(answer.status, 400) << name;
    EXPECT_THAT(answer.body, HasSubstr("there is only the root namespace")) << name;
  }
}

TEST_F(SubscribeTest, WhatIsNoUpgradeIs426AndSaysHow) {
  HttpRequest plain = AsRoot("GET", "/v1/sys/events/subscribe/kv*");
  HttpRequest other = Upgrade();
  SetHeader(other, "Upgrade", "h2c");
  HttpRequest old = Upgrade();
  old.version = 10;
  const std::pair<HttpRequest, std::string> cases[] = {
      {plain, "WebSocket protocol violation: Connection header \"\" does not contain Upgrade\n"},
      {other, "WebSocket protocol violation: Upgrade header \"h2c\" does not contain websocket\n"},
      {old,
       "WebSocket protocol violation: handshake request must be at least HTTP/1.1: "
       "\"HTTP/1.0\"\n"}};
  for (const auto& [request, text] : cases) {
    const HttpResponse answer = Subscribe(request);
    EXPECT_EQ(answer.status, 426);
    EXPECT_EQ(answer.body, text);
    EXPECT_THAT(answer.headers, Contains(Pair("Connection", "Upgrade")));
    EXPECT_THAT(answer.headers, Contains(Pair("Upgrade", "websocket")));
  }
}

TEST_F(SubscribeTest, UpgradeByAnotherMethodIs405) {
  for (const char* method : {"POST", "PUT", "DELETE", "PATCH"}) {
    HttpRequest request = Upgrade();
    request.method = method;
    const HttpResponse answer = Subscribe(request);
    EXPECT_EQ(answer.status, 405) << method;
    EXPECT_THAT(answer.body,
                HasSubstr("handshake request method is not GET but \"" + request.method + "\""));
  }
}

TEST_F(SubscribeTest, OtherVersionIs400AndNames13) {
  HttpRequest request = Upgrade();
  SetHeader(request, "Sec-WebSocket-Version", "8");
  const HttpResponse answer = Subscribe(request);
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.headers, Contains(Pair("Sec-WebSocket-Version", "13")));
}

TEST_F(SubscribeTest, KeyMustBeOneAndHave16Bytes) {
  HttpRequest request = Upgrade();
  RemoveHeader(request, "Sec-WebSocket-Key");
  EXPECT_EQ(Subscribe(request).body, "WebSocket protocol violation: missing Sec-WebSocket-Key\n");
  for (const char* key : {"", "AAAA", "LC5679AlPpe3L12Ho2XP2Q=", "LC5679AlPpe3L12Ho2XP2Qxx",
                          "!C5679AlPpe3L12Ho2XP2Q=="}) {
    request = Upgrade();
    SetHeader(request, "Sec-WebSocket-Key", key);
    EXPECT_EQ(Subscribe(request).status, 400) << key;
  }
  request = Upgrade();
  request.headers.emplace_back("Sec-WebSocket-Key", kKey);
  EXPECT_EQ(Subscribe(request).status, 400);
}

TEST_F(SubscribeTest, ForeignOriginIs403) {
  for (const char* origin :
       {"http://evil.example", "http://127.0.0.1:8201", "null", "127.0.0.1:8200"}) {
    HttpRequest request = Upgrade();
    request.headers.emplace_back("Origin", origin);
    const HttpResponse answer = Subscribe(request);
    EXPECT_EQ(answer.status, 403) << origin;
    EXPECT_EQ(answer.body, "request Origin \"" + std::string(origin) +
                               "\" is not authorized for Host \"127.0.0.1:8200\"\n");
  }
  HttpRequest own = Upgrade();
  SetHeader(own, "Host", "Belfry.example:8200");
  own.headers.emplace_back("Origin", "https://belfry.EXAMPLE:8200");
  EXPECT_EQ(Subscribe(own).status, 101);
}

// A subscriber with a token of its own, on real policies and tokens.
class WatchedSubscribeTest : public ::testing::Test {
 protected:
  WatchedSubscribeTest() {
    Write(R"(path "sys/events/subscribe/*" { capabilities = ["read"] }
             path "secret/*" { capabilities = ["subscribe"] subscribe_event_types = ["*"] })");
    access::TokenRequest request;
    request.policies = {"app"};
    request.num_uses = 1;
    auto planned =
        access::PlanToken(fixture_.tokens.root->entry, access::CreatorRights::kSudo, request);
    EXPECT_TRUE(planned.ok() && fixture_.tokens.store->Create(&*planned).ok());
    id_ = planned->entry.id;
    SetHeader(request_, "X-Vault-Token", planned->secret);
  }

  void Write(std::string_view policy) {
    EXPECT_EQ(fixture_.policies.store->Put("app", policy), absl::OkStatus());
  }
  // 101, or the status of the refusal.
  int Subscribe() {
    auto result = fixture_.Subscribe(request_, subscriber_);
    if (auto* refusal = std::get_if<HttpResponse>(&result)) return refusal->status;
    opened_ = std::move(std::get<OpenedSubscription>(result));
    return 101;
  }

  ApiFixture fixture_{Access::kReal};
  HttpRequest request_ = Upgrade();
  std::string id_;  // Of its token.
  const std::shared_ptr<FakeSubscriber> subscriber_ = std::make_shared<FakeSubscriber>();
  OpenedSubscription opened_;
};

TEST_F(WatchedSubscribeTest, TheEndOfTheTokenEndsTheSubscriber) {
  ASSERT_EQ(Subscribe(), 101);
  EXPECT_TRUE(opened_.event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  const std::uint64_t before = opened_.event_authorizer->Refresh();
  EXPECT_EQ(subscriber_->end_reason, "");
  ASSERT_EQ(fixture_.tokens.store->Revoke(id_), absl::OkStatus());
  EXPECT_EQ(subscriber_->end_reason, "token revoked");
  EXPECT_NE(opened_.event_authorizer->Refresh(), before);
  EXPECT_FALSE(opened_.event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  EXPECT_EQ(Subscribe(), 403);
}

TEST_F(WatchedSubscribeTest, SubscribingSpendsNoUseAndTheLastUseEndsIt) {
  ASSERT_EQ(Subscribe(), 101);
  HttpRequest request = request_;
  request.path = "/v1/auth/token/lookup-self";
  EXPECT_EQ(fixture_.Send(request).status, 200);
  EXPECT_EQ(subscriber_->end_reason, "token used up");
}

TEST_F(WatchedSubscribeTest, APolicyChangeReturnsWhenNothingThatItForbidsMayLeave) {
  ASSERT_EQ(Subscribe(), 101);
  const std::uint64_t before = opened_.event_authorizer->Refresh();
  Write(R"(path "sys/events/subscribe/*" { capabilities = ["read"] })");
  EXPECT_EQ(subscriber_->awaited, 1);
  EXPECT_EQ(subscriber_->end_reason, "");
  EXPECT_NE(opened_.event_authorizer->Refresh(), before);
  EXPECT_FALSE(opened_.event_authorizer->Allows("secret/data/a", "kv-v2/data-write"));
  opened_ = {};
  Write("path \"a\" {}");
  EXPECT_EQ(subscriber_->awaited, 1);
  EXPECT_EQ(subscriber_->end_reason, "");
}

TEST_F(WatchedSubscribeTest, LosingTheRightToSubscribeEndsTheSubscriber) {
  ASSERT_EQ(Subscribe(), 101);
  Write(R"(path "secret/*" { capabilities = ["subscribe"] subscribe_event_types = ["*"] })");
  EXPECT_EQ(subscriber_->end_reason, "permission to subscribe was taken away");
  EXPECT_EQ(Subscribe(), 403);
}

// Changes something between what is asked first and what is watched.
class MeddlingAuthorizer final : public access::Authorizer {
 public:
  explicit MeddlingAuthorizer(const access::Authorizer* real) : real_(real) {}
  // Run once, when a token is about to be watched.
  std::function<void()> meddle = [] {};

  absl::StatusOr<access::Identity> Authenticate(std::string_view token) const override {
    return real_->Authenticate(token);
  }
  bool Allows(const access::Identity& identity, const access::Question& question) const override {
    return real_->Allows(identity, question);
  }
  bool BoundsParameters(const access::Identity& identity, access::Capability capability,
                        std::string_view path) const override {
    return real_->BoundsParameters(identity, capability, path);
  }
  std::vector<std::string> CapabilitiesOn(const access::Identity& identity,
                                          std::string_view path) const override {
    return real_->CapabilitiesOn(identity, path);
  }
  bool ReachesInto(const access::Identity& identity, std::string_view mount) const override {
    return real_->ReachesInto(identity, mount);
  }
  bool AllowsEvent(const access::Identity& identity, std::string_view path,
                   std::string_view type) const override {
    return real_->AllowsEvent(identity, path, type);
  }
  std::shared_ptr<const access::Acl> RulesOf(const access::Identity& identity) const override {
    return real_->RulesOf(identity);
  }
  std::shared_ptr<const void> Watch(const access::Identity& identity,
                                    std::function<void(std::string_view)> ended) const override {
    meddle();
    return real_->Watch(identity, std::move(ended));
  }

 private:
  const access::Authorizer* const real_;
};

TEST_F(WatchedSubscribeTest, NothingSlipsThroughBetweenAskingAndWatching) {
  MeddlingAuthorizer authorizer(fixture_.real_authorizer.get());
  const Dependencies dependencies{.authorizer = &authorizer, .bus = &fixture_.bus};
  const auto status = [&] {
    const auto result = OpenSubscription(dependencies, request_, subscriber_);
    const auto* refusal = std::get_if<HttpResponse>(&result);
    return refusal == nullptr ? 101 : refusal->status;
  };
  EXPECT_EQ(status(), 101);
  fixture_.bus.subscribed.clear();
  authorizer.meddle = [this] { Write("path \"a\" {}"); };
  EXPECT_EQ(status(), 403);
  Write(R"(path "sys/events/subscribe/*" { capabilities = ["read"] })");
  authorizer.meddle = [this] { ASSERT_EQ(fixture_.tokens.store->Revoke(id_), absl::OkStatus()); };
  EXPECT_EQ(status(), 403);
  EXPECT_THAT(fixture_.bus.subscribed, IsEmpty());
}

TEST_F(SubscribeTest, RefusalSubscribesNobody) {
  HttpRequest request = Upgrade();
  request.headers.emplace_back("Origin", "http://evil.example");
  Subscribe(request);
  EXPECT_THAT(fixture_.bus.subscribed, IsEmpty());
}

}  // namespace
}  // namespace belfry::api
