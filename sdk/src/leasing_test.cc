#include "sdk/src/leasing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/engine.h"
#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"
#include "sdk/src/engine_instance.h"

namespace belfry {
namespace {

using testing::FailsWith;
using ::testing::HasSubstr;
using testing::IsData;

constexpr absl::Duration kMonth = absl::Hours(24 * 30);

// Leases rooms: a lease knows its room, and a room that is given back is remembered.
void DefineHotel(Engine& engine) {
  SecretKind& room = engine.Secret("room");
  room.OnRenew([](Request& request, const LeasedSecret& leased) -> absl::StatusOr<Lease> {
        if (request.operation() != Operation::kRenew || request.path() != "rooms/7")
          return absl::InternalError("not as it was asked");
        if (leased.increment > kMonth) return absl::InvalidArgumentError("no longer than a month");
        Lease lease = leased.lease;
        lease.ttl = std::max(leased.increment, absl::Hours(1));
        lease.internal["nights"] = absl::ToInt64Hours(request.Now() - leased.issued) / 24;
        return lease;
      })
      .OnRevoke([](Request& request, const LeasedSecret& leased) {
        return request.storage().Put("free/" + *leased.lease.internal.at("number").if_string(),
                                     request.data().at("key").Dump());
      });
  SecretKind& parking = engine.Secret("parking");
  parking.OnRevoke([](Request&, const LeasedSecret&) { return absl::OkStatus(); });
  Route& rooms = engine.Path("rooms/{number}", "A room.");
  const auto number = rooms.Param("number");
  rooms.OnRead([&room, number](Request& request) -> Result {
    return Response::Secret(room, {{"key", 4711}},
                            {.ttl = absl::Minutes(90) + absl::Nanoseconds(1),
                             .max_ttl = kMonth,
                             .internal = {{"number", request[number]}}});
  });
  engine.Path("parking", "A place to park.").OnRead([&parking](Request&) -> Result {
    return Response::Secret(parking, {}, {.ttl = absl::Hours(1)});
  });
}

class LeasingTest : public testing::OnBothHosts {
 protected:
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineHotel);
};
BELFRY_RUN_ON_BOTH_HOSTS(LeasingTest);

TEST_P(LeasingTest, ASecretComesWithItsTerms) {
  const Result room = host_->Read("rooms/7");
  ASSERT_THAT(room, IsData(R"({"key":4711})"));
  ASSERT_TRUE(room->lease().has_value());
  EXPECT_EQ(room->lease()->ttl, absl::Minutes(90) + absl::Nanoseconds(1));
  EXPECT_EQ(room->lease()->max_ttl, kMonth);
  EXPECT_TRUE(room->lease()->renewable);
  EXPECT_EQ(room->secret_kind(), "room");
}

TEST_P(LeasingTest, WhatCannotBeRenewedDoesNotPromiseIt) {
  const Result parking = host_->Read("parking");
  EXPECT_FALSE(parking->lease()->renewable);
  EXPECT_THAT(host_->Renew("parking", *parking),
              FailsWith(absl::StatusCode::kUnimplemented, "unsupported operation"));
}

TEST_P(LeasingTest, ARenewalBringsBackWhatTheEngineKnewAndGivesNewTerms) {
  const Result room = host_->Read("rooms/7");
  const Result renewed =
      host_->Renew("rooms/7", *room, {.increment = absl::Hours(2), .age = absl::Hours(24 * 3 + 1)});
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_EQ(renewed->lease()->ttl, absl::Hours(2));
  EXPECT_EQ(Json(renewed->lease()->internal).Dump(), R"({"nights":3,"number":"7"})");
  // The secret itself is not told again.
  EXPECT_TRUE(renewed->data().empty());
}

TEST_P(LeasingTest, ARenewalCanBeRefused) {
  const Result room = host_->Read("rooms/7");
  EXPECT_THAT(host_->Renew("rooms/7", *room, {.increment = absl::Hours(24 * 365)}),
              FailsWith(absl::StatusCode::kInvalidArgument, "no longer than a month"));
}

TEST_P(LeasingTest, ARevocationKnowsWhatWasLent) {
  const Result room = host_->Read("rooms/7");
  ASSERT_EQ(host_->Revoke("rooms/7", *room), absl::OkStatus());
  EXPECT_EQ(*host_->storage().Get("free/7"), "4711");
}

TEST_P(LeasingTest, ARevocationThatFailsSaysSoForTheHostToTryAgain) {
  const Result room = host_->Read("rooms/7");
  host_->storage().ReadOnly();
  EXPECT_EQ(host_->Revoke("rooms/7", *room).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_P(LeasingTest, WithoutASecretThereIsNothingToRenewOrRevoke) {
  EXPECT_EQ(host_->Revoke("rooms/7", Response::Data({})),
            absl::UnknownError("request has no secret"));
  EXPECT_EQ(host_->Renew("rooms/7", Response::Login({})).status(),
            absl::UnimplementedError("unsupported operation"));
}

void DefineDoor(Engine& engine) {
  engine.Unauthenticated({"enter"});
  engine.Path("enter", "Come in.").OnWrite([](Request&) -> Result {
    return Response::Login({.policies = {"guest", "bar"},
                            .display_name = "Ann",
                            .metadata = {{"door", "front"}},
                            .alias = "ann",
                            .group_aliases = {"members"},
                            .lease = {.ttl = absl::Hours(8), .internal = {{"ticket", 12}}},
                            .period = absl::Hours(1),
                            .explicit_max_ttl = absl::Hours(24),
                            .num_uses = 100,
                            .bound_cidrs = {"10.0.0.0/8"},
                            .token_type = TokenType::kBatch,
                            .no_default_policy = true});
  });
  engine.OnRenewLogin([](Request&, const GivenGrant& given) -> absl::StatusOr<Grant> {
    if (given.grant.lease.internal.at("ticket").if_number()->text != "12")
      return absl::PermissionDeniedError("whose ticket is that?");
    Grant grant = given.grant;
    grant.lease.ttl = given.increment;
    return grant;
  });
}

class LoginTest : public testing::OnBothHosts {
 protected:
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineDoor);
};
BELFRY_RUN_ON_BOTH_AUTH_HOSTS(LoginTest);

TEST_P(LoginTest, AGrantReachesTheHostWhole) {
  const Result login = host_->Write("enter", {});
  ASSERT_TRUE(login.ok()) << login.status();
  EXPECT_EQ(*login->grant(), (Grant{.policies = {"guest", "bar"},
                                    .display_name = "Ann",
                                    .metadata = {{"door", "front"}},
                                    .alias = "ann",
                                    .group_aliases = {"members"},
                                    .lease = {.ttl = absl::Hours(8), .internal = {{"ticket", 12}}},
                                    .period = absl::Hours(1),
                                    .explicit_max_ttl = absl::Hours(24),
                                    .num_uses = 100,
                                    .bound_cidrs = {"10.0.0.0/8"},
                                    .token_type = TokenType::kBatch,
                                    .no_default_policy = true}));
}

TEST_P(LoginTest, ALoginIsRenewedWithWhatItWasGiven) {
  const Result login = host_->Write("enter", {});
  const Result renewed = host_->Renew("enter", *login, {.increment = absl::Hours(3)});
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  Grant expected = *login->grant();
  expected.lease.ttl = absl::Hours(3);
  EXPECT_EQ(*renewed->grant(), expected);
}

absl::Status Described(void (*define)(Engine&)) {
  return internal::EngineInstance::Create(define, {}).status();
}

TEST(SecretKind, IsRefusedWhenItCannotBeRevokedOrIsDescribedTwice) {
  const absl::Status endless = Described([](Engine& engine) { engine.Secret("room"); });
  EXPECT_EQ(endless.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(endless.message()), HasSubstr("OnRevoke is missing"));
  const absl::Status twice = Described([](Engine& engine) {
    for (int i = 0; i < 2; ++i) {
      engine.Secret("room").OnRevoke(
          [](Request&, const LeasedSecret&) { return absl::OkStatus(); });
    }
  });
  EXPECT_THAT(std::string(twice.message()), HasSubstr("\"room\" is described twice"));
}

TEST(SecretKindDeathTest, ARenewalHasNoFields) {
  const auto define = [](Engine& engine) {
    static SecretKind* kind = nullptr;
    Route& route = engine.Path("a", "");
    const auto field = route.Field<bool>("f", "");
    kind = &engine.Secret("room").OnRevoke([field](Request& request, const LeasedSecret&) {
      return request[field] ? absl::OkStatus() : absl::InternalError("");
    });
    route.OnRead([](Request&) -> Result { return Response::Secret(*kind, {}, {}); });
  };
  const auto host = testing::NewFakeHost(define);
  const Result leased = host->Read("a");
  EXPECT_DEATH((void)host->Revoke("a", *leased), "asked for a field of the path \"a\"");
}

}  // namespace
}  // namespace belfry
