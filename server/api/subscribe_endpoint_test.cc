#include "server/api/subscribe_endpoint.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/fakes.h"

namespace belfry::api {
namespace {

using subscriptions::FakeSubscriber;
using subscriptions::OpenedSubscription;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

HttpRequest SubscribeTo(std::string type = "kv*") {
  HttpRequest request = AsRoot("GET", "/v1/sys/events/subscribe/" + type);
  request.subscriber = std::make_shared<FakeSubscriber>();
  return request;
}

void SetHeader(HttpRequest& request, std::string_view name, std::string value) {
  for (auto& [key, old] : request.headers) {
    if (key == name) old = value;
  }
}

class SubscribeTest : public ::testing::Test {
 protected:
  ApiFixture fixture_;

  // The refusal, or one with status 101 when there is none.
  HttpResponse Subscribe(const HttpRequest& request) {
    const Outcome outcome = fixture_.OutcomeOf(request);
    if (const auto* refusal = std::get_if<HttpResponse>(&outcome)) return *refusal;
    format_ = std::get<OpenedSubscription>(outcome).format;
    return {.status = 101};
  }
  bus::Format format_ = bus::Format::kProtobuf;
};

TEST(SubscribeEndpoint, IsKnownByItsPathWhateverTheMethod) {
  for (const char* path : {"/v1/sys/events/subscribe", "/v1/sys/events/subscribe/",
                           "/v1/sys/events/subscribe/kv-v2/data-write"}) {
    EXPECT_TRUE(IsSubscribePath(path)) << path;
  }
  for (const char* path :
       {"/v1/sys/events/subscribed", "/v1/sys/events", "/v1/ns/sys/events/subscribe/x"}) {
    EXPECT_FALSE(IsSubscribePath(path)) << path;
  }
}

TEST_F(SubscribeTest, OpensWhatWasAskedFor) {
  HttpRequest request = SubscribeTo("kv-v2/data-*");
  request.query = {
      {"json", "true"}, {"namespaces", "*"}, {"namespaces", ""}, {"namespaces", "/a//b/../c/"}};
  EXPECT_EQ(Subscribe(request).status, 101);
  EXPECT_EQ(format_, bus::Format::kCloudEventsJson);
  ASSERT_THAT(fixture_.bus.subscribed, SizeIs(1));
  EXPECT_EQ(fixture_.bus.subscribed[0].type_pattern, "kv-v2/data-*");
  EXPECT_THAT(fixture_.bus.subscribed[0].namespace_patterns, ElementsAre("", "*", "a/c"));
  EXPECT_EQ(fixture_.bus.subscribed[0].format, bus::Format::kCloudEventsJson);
}

TEST_F(SubscribeTest, WithoutASubscriberTheRequestIsCheckedAndNothingOpened) {
  HttpRequest request = SubscribeTo();
  request.subscriber = nullptr;
  EXPECT_TRUE(std::holds_alternative<WithoutSubscriber>(fixture_.OutcomeOf(request)));
  request.query = {{"json", "maybe"}};
  EXPECT_EQ(Subscribe(request).status, 400);
  SetHeader(request, "X-Vault-Token", "reader");
  EXPECT_EQ(Subscribe(request).status, 403);
  EXPECT_THAT(fixture_.bus.subscribed, IsEmpty());
}

TEST_F(SubscribeTest, FormatIsProtobufUnlessJsonIsTrue) {
  for (const char* no : {"", "0", "f", "F", "FALSE", "false", "False"}) {
    HttpRequest request = SubscribeTo();
    request.query = {{"json", no}};
    EXPECT_EQ(Subscribe(request).status, 101) << no;
    EXPECT_EQ(format_, bus::Format::kProtobuf) << no;
  }
  for (const char* yes : {"1", "t", "T", "TRUE", "true", "True"}) {
    HttpRequest request = SubscribeTo();
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
  HttpRequest request = SubscribeTo();
  SetHeader(request, "X-Vault-Token", "reader");
  ASSERT_EQ(Subscribe(request).status, 101);
  bus::EventAuthorizer& event_authorizer = *fixture_.bus.subscribed[0].event_authorizer;
  EXPECT_TRUE(event_authorizer.Allows("secret/data/a", "kv-v2/data-write"));
  EXPECT_FALSE(event_authorizer.Allows("secret/data/b", "kv-v2/data-write"));
}

TEST_F(SubscribeTest, TokenIsCheckedFirst) {
  HttpRequest request = SubscribeTo("");
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
  HttpRequest request = SubscribeTo();
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
    const HttpResponse answer = Subscribe(SubscribeTo(type));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.body, "{\"errors\":[\"did not specify eventType to subscribe to\"]}\n");
  }
}

TEST_F(SubscribeTest, JsonThatIsNeitherIs400) {
  HttpRequest request = SubscribeTo();
  request.query = {{"json", "maybe"}};
  const HttpResponse answer = Subscribe(request);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, "{\"errors\":[\"invalid parameter for JSON: maybe\"]}\n");
}

TEST_F(SubscribeTest, FilterReachesTheBusWithoutBlanksAround) {
  HttpRequest request = SubscribeTo();
  request.query = {{"filter", " operation == `data-write`\n"}, {"filter", "ignored"}};
  ASSERT_EQ(Subscribe(request).status, 101);
  ASSERT_NE(fixture_.bus.subscribed[0].filter, nullptr);
  EXPECT_EQ(fixture_.bus.subscribed[0].filter->text(), "operation == `data-write`");
}

TEST_F(SubscribeTest, ABlankFilterIsNone) {
  HttpRequest request = SubscribeTo();
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
    HttpRequest request = SubscribeTo();
    request.query = {{"filter", filter}};
    const HttpResponse answer = Subscribe(request);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.body, "{\"errors\":[\"invalid filter: " + reason + "\"]}\n");
  }
  EXPECT_THAT(fixture_.bus.subscribed, IsEmpty());
}

TEST_F(SubscribeTest, ARequestToAnotherNamespaceIsRefusedBeforeItsToken) {
  for (const char* name : {"ns1", "ns1/", "/ns1/ns2"}) {
    HttpRequest request = SubscribeTo();
    SetHeader(request, "X-Vault-Token", "bogus");
    request.headers.emplace_back("X-Vault-Namespace", name);
    const HttpResponse answer = Subscribe(request);
    EXPECT_EQ(answer.status, 400) << name;
    EXPECT_THAT(answer.body, HasSubstr("there is only the root namespace")) << name;
  }
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
    request_.subscriber = subscriber_;
    Outcome outcome = fixture_.OutcomeOf(request_);
    if (const auto* refusal = std::get_if<HttpResponse>(&outcome)) return refusal->status;
    opened_ = std::get<OpenedSubscription>(std::move(outcome));
    return 101;
  }

  ApiFixture fixture_{Access::kReal};
  HttpRequest request_ = SubscribeTo();
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

}  // namespace
}  // namespace belfry::api
