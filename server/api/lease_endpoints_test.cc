// sys/leases/ and the leases in answers, on fakes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "server/api/fakes.h"

namespace belfry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LeaseEndpointsTest : public ::testing::Test {
 protected:
  LeaseEndpointsTest() {
    mounts::MountEntry entry;
    entry.path = "db/";
    entry.type = "lender";
    engine_ = fixture_.mounts.Add(std::move(entry));
    fixture_.leases.known["db/creds/a/1"] = {
        .id = "db/creds/a/1",
        .issued = fixture_.clock.Now() - absl::Milliseconds(2500),
        .expires = fixture_.clock.Now() + absl::Seconds(60),
        .renewable = true};
  }
  HttpResponse Send(std::string method, std::string path, std::string body = "",
                    std::string token = "root") {
    HttpRequest request = AsRoot(std::move(method), "/v1/" + path, std::move(body));
    request.headers = {{"X-Vault-Token", std::move(token)}};
    return fixture_.Send(std::move(request));
  }
  ApiFixture fixture_;
  FakeEngine* engine_ = nullptr;
};

TEST_F(LeaseEndpointsTest, ALeasedSecretIsAnsweredWithItsLease) {
  mounts::Reply reply;
  reply.response.emplace().data = R"({"user":"u"})";
  reply.response->lease = mounts::Lease{.ttl = absl::Hours(1), .renewable = true};
  engine_->reply = reply;
  EXPECT_THAT(Send("GET", "db/creds/a").body,
              HasSubstr(R"("lease_id":"db/creds/a/1","renewable":true,"lease_duration":3600)"));
  fixture_.leases.result = absl::UnavailableError("cannot be stored");
  const HttpResponse failed = Send("GET", "db/creds/a");
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(failed.body.find("user"), std::string::npos);
}

// Be it by this request, or by another one while the engine works.
TEST_F(LeaseEndpointsTest, NothingIsLentToATokenThatIsUsedUp) {
  for (const int uses : {1, 2}) {
    ApiFixture fixture(Access::kReal);
    mounts::MountEntry entry;
    entry.path = "db/";
    entry.type = "lender";
    mounts::Reply reply;
    reply.response.emplace().data = R"({"user":"u"})";
    reply.response->lease = mounts::Lease{.ttl = absl::Hours(1)};
    FakeEngine* const engine = fixture.mounts.Add(std::move(entry));
    engine->reply = reply;
    auto planned = access::PlanToken(fixture.tokens.root->entry, access::CreatorRights::kSudo,
                                     {.id = "its", .policies = {"root"}, .num_uses = uses});
    ASSERT_TRUE(planned.ok() && fixture.tokens.store->Create(&*planned).ok());
    const auto as_it = [](const std::string& method, const std::string& path) {
      HttpRequest request = AsRoot(method, path);
      request.headers = {{"X-Vault-Token", "its"}};
      return request;
    };
    engine->on_handle = [&](const mounts::Request&) {
      if (uses == 1) return;
      EXPECT_EQ(fixture.Send(as_it("GET", "/v1/auth/token/lookup-self")).status, 200);
    };
    const HttpResponse answer = fixture.Send(as_it("GET", "/v1/db/creds/a"));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.body.find("\"u\""), std::string::npos);
    EXPECT_THAT(fixture.leases.asked, ElementsAre("queue db/creds/a/1"));
  }
}

TEST_F(LeaseEndpointsTest, ALeaseIsLookedUp) {
  EXPECT_THAT(Send("PUT", "sys/leases/lookup", R"({"lease_id":"db/creds/a/1"})").body,
              HasSubstr(R"("data":{"expire_time":"2026-11-23T05:59:31Z","id":"db/creds/a/1",)"
                        R"("issue_time":"2026-11-23T05:58:28.5Z","last_renewal":null,)"
                        R"("renewable":true,"ttl":60})"));
  const HttpResponse unknown = Send("POST", "sys/leases/lookup", R"({"lease_id":"x"})");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.body, "{\"errors\":[\"invalid lease\"]}\n");
  EXPECT_EQ(Send("POST", "sys/leases/lookup", "{}").status, 400);
}

TEST_F(LeaseEndpointsTest, ALeaseThatCannotBeRevokedSaysWhy) {
  mounts::LeaseInfo& lease = fixture_.leases.known["db/creds/a/1"];
  lease.failures = 2;
  lease.last_failure = "away";
  lease.next_attempt = fixture_.clock.Now();
  EXPECT_THAT(Send("PUT", "sys/leases/lookup", R"({"lease_id":"db/creds/a/1"})").body,
              HasSubstr(R"("revocation":{"attempts":2,"error":"away","next_attempt":")"));
}

TEST_F(LeaseEndpointsTest, RenewalsNameTheLeaseInThePathOrTheBody) {
  for (const std::string path : {"sys/leases/renew", "sys/renew"}) {
    EXPECT_THAT(Send("PUT", path, R"({"lease_id":"db/creds/a/1","increment":30})").body,
                HasSubstr(R"("lease_id":"db/creds/a/1","renewable":true,"lease_duration":30)"));
    EXPECT_EQ(Send("POST", path + "/db/creds/a/1", R"({"increment":"1m"})").status, 200);
    EXPECT_EQ(Send("PUT", path, "{}").status, 400);
  }
  EXPECT_THAT(fixture_.leases.asked,
              ElementsAre("renew db/creds/a/1 30s", "renew db/creds/a/1 1m",
                          "renew db/creds/a/1 30s", "renew db/creds/a/1 1m"));
  fixture_.leases.result = absl::NotFoundError("lease not found");
  const HttpResponse unknown = Send("PUT", "sys/leases/renew/x");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.body, "{\"errors\":[\"lease not found\"]}\n");
}

TEST_F(LeaseEndpointsTest, RevocationsAreWaitedForUnlessToldOtherwise) {
  EXPECT_EQ(Send("PUT", "sys/leases/revoke", R"({"lease_id":"a/1"})").status, 204);
  EXPECT_EQ(Send("PUT", "sys/leases/revoke/a/1", R"({"sync":false})").status, 202);
  EXPECT_EQ(Send("PUT", "sys/revoke/a/1").status, 204);
  EXPECT_EQ(Send("PUT", "sys/leases/revoke-prefix/a").status, 204);
  EXPECT_EQ(Send("PUT", "sys/revoke-prefix/a", R"({"sync":false})").status, 202);
  EXPECT_EQ(Send("PUT", "sys/leases/revoke-force/a").status, 204);
  EXPECT_THAT(fixture_.leases.asked,
              ElementsAre("wait a/1", "queue a/1", "wait a/1", "wait prefix a", "queue prefix a",
                          "force prefix a"));
  fixture_.leases.result = absl::InvalidArgumentError("the database is away");
  const HttpResponse failed = Send("PUT", "sys/leases/revoke/a/1");
  EXPECT_EQ(failed.status, 400);
  EXPECT_EQ(failed.body, "{\"errors\":[\"the database is away\"]}\n");
  EXPECT_EQ(Send("GET", "sys/leases/revoke/a/1").status, 405);
}

// The rules know which paths need it.
TEST_F(LeaseEndpointsTest, SeeingAndRevokingManyNeedsSudo) {
  ApiFixture fixture(Access::kReal);
  fixture.leases.known["db/creds/a/1"] = {.id = "db/creds/a/1"};
  const auto grant = [&fixture](std::string_view capabilities) {
    EXPECT_EQ(fixture.policies.store->Put(
                  "reader", Concat({"path \"sys/*\" { capabilities = [", capabilities, "] }"})),
              absl::OkStatus());
  };
  auto planned =
      access::PlanToken(fixture.tokens.root->entry, access::CreatorRights::kSudo,
                        {.id = "reader", .policies = {"reader"}, .no_default_policy = true});
  ASSERT_TRUE(planned.ok() && fixture.tokens.store->Create(&*planned).ok());
  const auto status = [&fixture](std::string method, std::string path) {
    HttpRequest request = AsRoot(std::move(method), "/v1/sys/" + path);
    request.headers = {{"X-Vault-Token", "reader"}};
    return fixture.Send(std::move(request)).status;
  };
  const std::pair<const char*, const char*> kGuarded[] = {
      {"LIST", "leases/lookup"},          {"LIST", "leases/lookup/db/creds/a"},
      {"PUT", "leases/revoke-prefix/db"}, {"PUT", "revoke-prefix/db"},
      {"PUT", "leases/revoke-force/db"},  {"PUT", "revoke-force/db"}};
  grant(R"("read", "list", "update")");
  for (const auto& [method, path] : kGuarded) EXPECT_EQ(status(method, path), 403) << path;
  EXPECT_THAT(fixture.leases.asked, IsEmpty());
  EXPECT_EQ(status("PUT", "leases/revoke/db/creds/a/1"), 204);
  grant(R"("read", "list", "update", "sudo")");
  for (const auto& [method, path] : kGuarded) {
    EXPECT_EQ(status(method, path), method == std::string("LIST") ? 200 : 204) << path;
  }
  EXPECT_EQ(status("LIST", "leases/lookup/none"), 404);
}

}  // namespace
}  // namespace belfry::api
