#include "sdk/src/translation.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sdk/src/lease_translation.h"

namespace belfry::internal {
namespace {

constexpr absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

pb::Request NewRequest(const std::string& operation, const std::string& data = "null") {
  pb::Request request;
  request.set_id("req-1");
  request.set_operation(operation);
  request.set_path("a/b");
  request.set_data(data);
  return request;
}

pb::HandleRequestReply Reply(const std::string& operation, Response response) {
  return ToReply({.response = std::move(response), .error = std::nullopt}, NewRequest(operation),
                 kNow);
}

TEST(TranslationTest, ARequestBringsItsDataUntouched) {
  pb::Request request = NewRequest("update", R"({"f":1.50,"n":12345678901234567890})");
  request.set_display_name("token");
  request.set_entity_id("e");
  request.set_client_token_accessor("acc");
  request.mutable_connection()->set_remote_addr("127.0.0.1");
  const absl::StatusOr<IncomingRequest> incoming = ToIncoming(request);
  ASSERT_EQ(incoming.status(), absl::OkStatus());
  EXPECT_EQ(incoming->operation, "update");
  EXPECT_EQ(incoming->path, "a/b");
  EXPECT_EQ(Json(incoming->data).Dump(), R"({"f":1.50,"n":12345678901234567890})");
  EXPECT_EQ(incoming->caller.display_name, "token");
  EXPECT_EQ(incoming->caller.entity_id, "e");
  EXPECT_EQ(incoming->caller.token_accessor, "acc");
  EXPECT_EQ(incoming->caller.remote_address, "127.0.0.1");
}

TEST(TranslationTest, NullAndEmptyMeanNoDataAndAllElseMustBeAnObject) {
  EXPECT_TRUE(ToIncoming(NewRequest("read", "null"))->data.empty());
  EXPECT_TRUE(ToIncoming(NewRequest("read", ""))->data.empty());
  EXPECT_EQ(ToIncoming(NewRequest("read", "[]")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ToIncoming(NewRequest("read", "{")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TranslationTest, DataAndWarningsTravelInTheResponse) {
  const auto reply = Reply("read", Response::Data({{"a", Json("b")}}).AddWarning("w"));
  EXPECT_EQ(reply.response().data(), R"({"a":"b"})");
  ASSERT_EQ(reply.response().warnings_size(), 1);
  EXPECT_EQ(reply.response().warnings(0), "w");
  EXPECT_FALSE(reply.has_err());
}

TEST(TranslationTest, AListOfNothingHasNoKeys) {
  EXPECT_EQ(Reply("list", Response::List({"a"})).response().data(), R"({"keys":["a"]})");
  EXPECT_EQ(Reply("list", Response::List({})).response().data(), "{}");
}

TEST(TranslationTest, NothingToSayIsNoResponse) {
  EXPECT_FALSE(Reply("update", Response::NoContent()).has_response());
  EXPECT_FALSE(Reply("read", Response::NotFound()).has_response());
  EXPECT_FALSE(Reply("list", Response::NotFound()).has_response());
}

TEST(TranslationTest, WhatNoResponseCannotSayIsARawResponse) {
  EXPECT_EQ(Reply("read", Response::NoContent()).response().data(),
            R"({"http_content_type":"application/json","http_status_code":204})");
  EXPECT_EQ(Reply("delete", Response::NotFound()).response().data(),
            R"({"http_content_type":"application/json","http_raw_body":"{\"errors\":[]}",)"
            R"("http_status_code":404})");
}

TEST(TranslationTest, WarningsWithoutContentComeWithNullData) {
  const auto reply = Reply("update", Response::NoContent().AddWarning("w"));
  EXPECT_EQ(reply.response().data(), "null");
  EXPECT_EQ(reply.response().warnings_size(), 1);
}

// The text that Vault's kv answers, recorded. (golden/observed-cpp-host-real-kv.txt)
TEST(TranslationTest, AStatusOfItsOwnTravelsAsKvSendsIt) {
  const std::string warning =
      "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API "
      "endpoints to use. If using the Vault CLI, use 'vault kv get' for this operation.";
  EXPECT_EQ(Reply("read", Response::NotFound().AddWarning(warning)).response().data(),
            R"({"http_content_type":"application/json","http_raw_body":"{\"request_id\":\"req-1\",)"
            R"(\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":null,)"
            R"(\"wrap_info\":null,\"warnings\":[\")" +
                warning + R"(\"],\"auth\":null,\"mount_type\":\"\"}","http_status_code":404})");
  EXPECT_NE(Reply("read", Response::WithStatus(404, {{"data", Json()}}))
                .response()
                .data()
                .find(R"(\"data\":{\"data\":null},\"wrap_info\")"),
            std::string::npos);
  EXPECT_NE(Reply("read", Response::WithStatus(404, {}))
                .response()
                .data()
                .find(R"(\"data\":null,\"wrap_info\")"),
            std::string::npos);
}

TEST(TranslationTest, ErrorsCarryTheirTypeAndTheirWords) {
  const auto reply_to = [](OutgoingError error) {
    return ToReply({.response = std::nullopt, .error = std::move(error)}, NewRequest("update"),
                   kNow);
  };
  const auto invalid = reply_to({ErrorType::kInvalidRequest, "no data provided", 0});
  EXPECT_EQ(invalid.err().err_type(), 7u);
  EXPECT_EQ(invalid.response().data(), R"({"error":"no data provided"})");
  // As logical.ErrorResponse: the answer alone.
  const auto input = reply_to({ErrorType::kInput, "no such version", 0});
  EXPECT_FALSE(input.has_err());
  EXPECT_EQ(input.response().data(), R"({"error":"no such version"})");
  const auto coded = reply_to({ErrorType::kCoded, "teapot", 418});
  EXPECT_EQ(coded.err().err_type(), 3u);
  EXPECT_EQ(coded.err().err_code(), 418);
  EXPECT_EQ(coded.err().err_msg(), "teapot");
  EXPECT_FALSE(coded.has_response());
  EXPECT_EQ(reply_to({ErrorType::kUnknown, "\xff", 0}).err().err_msg(), "\xef\xbf\xbd");
  const auto rollback = reply_to({ErrorType::kUnsupportedOperation, "unsupported operation", 0});
  EXPECT_EQ(rollback.err().err_type(), 5u);
  EXPECT_FALSE(rollback.has_response());
}

// Hosts replace these types' words by their own, and show ours only if they stand beside.
TEST(TranslationTest, WordsThatAHostWouldDropStandBesideTheError) {
  const auto data_beside = [](OutgoingError error) {
    return ToReply({.error = std::move(error)}, NewRequest("update"), kNow).response().data();
  };
  EXPECT_EQ(data_beside({ErrorType::kPermissionDenied, "not you"}), R"({"error":"not you"})");
  EXPECT_EQ(data_beside({ErrorType::kUnsupportedOperation, "it is full"}),
            R"({"error":"it is full"})");
  EXPECT_EQ(data_beside({ErrorType::kUser, "shown anyway"}), "");
  EXPECT_EQ(data_beside({ErrorType::kUnrecoverable, "in the log"}), "");
}

// Hosts refuse a lease without its time of issue, and framework plugins one without a kind.
TEST(TranslationTest, ASecretTravelsInNanosecondsWithItsTimeAndKind) {
  pb::Secret secret;
  ToProto("room", {.ttl = absl::Seconds(60), .max_ttl = absl::Hours(1), .internal = {{"a", 1}}},
          kNow + absl::Nanoseconds(7), secret);
  EXPECT_EQ(secret.lease_options().ttl(), 60'000'000'000);
  EXPECT_EQ(secret.lease_options().maxttl(), 3'600'000'000'000);
  EXPECT_TRUE(secret.lease_options().renewable());
  EXPECT_EQ(secret.lease_options().issue_time().seconds(), 1'700'000'000);
  EXPECT_EQ(secret.lease_options().issue_time().nanos(), 7);
  EXPECT_EQ(secret.internal_data(), R"({"a":1,"secret_type":"room"})");
}

// As Vault sent it. (golden/observed-vault-requests-at-cpp-plugin.txt)
TEST(TranslationTest, ARevocationBringsTheSecretBack) {
  pb::Request request = NewRequest("revoke", R"({"a":1})");
  pb::Secret& secret = *request.mutable_secret();
  secret.mutable_lease_options()->set_ttl(60'000'000'000);
  secret.mutable_lease_options()->set_increment(5);
  secret.mutable_lease_options()->mutable_issue_time()->set_seconds(1'795'413'984);
  secret.mutable_lease_options()->mutable_issue_time()->set_nanos(836'856'394);
  secret.set_internal_data(R"({"secret_type":"t","x":[1.50]})");
  secret.set_lease_id("c2/secret/BSU6gXwXiUo34ADRRHwOOlCO");
  const absl::StatusOr<IncomingRequest> incoming = ToIncoming(request);
  ASSERT_EQ(incoming.status(), absl::OkStatus());
  ASSERT_TRUE(incoming->secret.has_value());
  EXPECT_EQ(incoming->secret->kind, "t");
  const LeasedSecret& leased = incoming->secret->secret;
  EXPECT_EQ(Json(leased.lease.internal).Dump(), R"({"x":[1.50]})");
  EXPECT_EQ(leased.lease.ttl, absl::Minutes(1));
  EXPECT_EQ(leased.increment, absl::Nanoseconds(5));
  EXPECT_EQ(leased.issued, absl::FromUnixSeconds(1'795'413'984) + absl::Nanoseconds(836'856'394));
  EXPECT_EQ(leased.lease_id, "c2/secret/BSU6gXwXiUo34ADRRHwOOlCO");
  secret.set_internal_data("{");
  EXPECT_EQ(ToIncoming(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(TranslationTest, ARequestBringsHeadersAndTheWishForAWrap) {
  pb::Request request = NewRequest("read");
  (*request.mutable_headers())["X-A"].add_header("1");
  request.mutable_wrap_info()->set_ttl(1'000'000'000);
  request.set_unauthenticated(true);
  const absl::StatusOr<IncomingRequest> incoming = ToIncoming(request);
  EXPECT_EQ(incoming->headers.at("X-A"), std::vector<std::string>{"1"});
  EXPECT_EQ(incoming->wrap_ttl, absl::Seconds(1));
  EXPECT_TRUE(incoming->caller.unauthenticated);
  EXPECT_EQ(incoming->id, "req-1");
}

// A host that decodes what happens to be base64 would mangle a plain text.
TEST(TranslationTest, ARawBodyIsBase64) {
  EXPECT_EQ(
      Reply("read", Response::Raw(418, "text/plain", "hello")).response().data(),
      R"({"http_content_type":"text/plain","http_raw_body":"aGVsbG8=","http_status_code":418})");
}

TEST(TranslationTest, AWrapHasItsTime) {
  const auto reply = Reply("update", Response::NoContent().WrapFor(absl::Seconds(2)));
  EXPECT_EQ(reply.response().wrap_info().ttl(), 2'000'000'000);
  EXPECT_EQ(reply.response().wrap_info().creation_time().seconds(), 1'700'000'000);
  EXPECT_EQ(reply.response().data(), "null");
}

TEST(TranslationTest, SpecialPathsOfEveryKindHaveTheirList) {
  SpecialPaths paths{.root = {"r"}, .unauthenticated = {"u"}, .seal_wrap = {"s"}};
  paths.others = {{SpecialPath::kLocalStorage, {"l"}},
                  {SpecialPath::kWriteForwarded, {"w"}},
                  {SpecialPath::kBinary, {"b"}},
                  {SpecialPath::kLimited, {"m"}},
                  {SpecialPath::kSnapshotRead, {"n"}}};
  const pb::Paths out = ToReply(paths).paths();
  EXPECT_EQ(out.root(0) + out.unauthenticated(0) + out.seal_wrap_storage(0), "rus");
  EXPECT_EQ(out.root(1) + out.unauthenticated(1), "r/u/");
  EXPECT_EQ(out.local_storage(0) + out.write_forwarded_storage(0) + out.binary(0) + out.limited(0) +
                out.allow_snapshot_read(0),
            "lwbmn");
}

// Hosts compare literally, and a list's path ends in '/'.
TEST(TranslationTest, SpecialPathsHoldForListsToo) {
  const pb::Paths out = ToReply(SpecialPaths{.root = {"a", "b/", "c*", "d/*", "e/+"}}).paths();
  EXPECT_THAT(out.root(), ::testing::ElementsAre("a", "a/", "b/", "c*", "d/*", "e/+", "e/+/"));
}

TEST(TranslationTest, AnExistenceCheckTellsFoundFromUnknown) {
  EXPECT_FALSE(ToReply(absl::StatusOr<std::optional<bool>>(std::optional<bool>())).check_found());
  EXPECT_TRUE(
      ToReply(absl::StatusOr<std::optional<bool>>(std::optional<bool>(false))).check_found());
  EXPECT_FALSE(ToReply(absl::StatusOr<std::optional<bool>>(std::optional<bool>(false))).exists());
  EXPECT_TRUE(ToReply(absl::StatusOr<std::optional<bool>>(std::optional<bool>(true))).exists());
  const auto failed = ToReply(absl::StatusOr<std::optional<bool>>(absl::InternalError("no")));
  EXPECT_EQ(failed.err().err_msg(), "no");
  // The one failure of a check that hosts show as it is.
  const auto mistaken =
      ToReply(absl::StatusOr<std::optional<bool>>(absl::InvalidArgumentError("bad")));
  EXPECT_EQ(mistaken.err().err_type(), 1u);
}

}  // namespace
}  // namespace belfry::internal
