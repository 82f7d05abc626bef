#include "sdk/src/translation.h"

#include "gtest/gtest.h"

namespace belfry::internal {
namespace {

pb::Request NewRequest(const std::string& operation, const std::string& data = "null") {
  pb::Request request;
  request.set_id("req-1");
  request.set_operation(operation);
  request.set_path("a/b");
  request.set_data(data);
  return request;
}

pb::HandleRequestReply Reply(const std::string& operation, Response response) {
  return ToReply({.response = std::move(response), .error = std::nullopt}, NewRequest(operation));
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

TEST(TranslationTest, NothingToSayIsNoResponse) {
  EXPECT_FALSE(Reply("update", Response::NoContent()).has_response());
  EXPECT_FALSE(Reply("read", Response::NotFound()).has_response());
  EXPECT_FALSE(Reply("list", Response::NotFound()).has_response());
}

TEST(TranslationTest, WhatNoResponseCannotSayIsARawResponse) {
  EXPECT_EQ(Reply("read", Response::NoContent()).response().data(),
            R"({"http_content_type":"application/json","http_status_code":204})");
  EXPECT_EQ(Reply("delete", Response::NotFound()).response().data(),
            R"({"http_content_type":"application/json","http_status_code":404})");
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
    return ToReply({.response = std::nullopt, .error = std::move(error)}, NewRequest("update"));
  };
  const auto invalid = reply_to({ErrorType::kInvalidRequest, "no data provided", 0});
  EXPECT_EQ(invalid.err().err_type(), 7u);
  EXPECT_EQ(invalid.response().data(), R"({"error":"no data provided"})");
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

TEST(TranslationTest, AnExistenceCheckTellsFoundFromUnknown) {
  EXPECT_FALSE(ToReply(absl::StatusOr<std::optional<bool>>(std::optional<bool>())).check_found());
  EXPECT_TRUE(
      ToReply(absl::StatusOr<std::optional<bool>>(std::optional<bool>(false))).check_found());
  EXPECT_FALSE(ToReply(absl::StatusOr<std::optional<bool>>(std::optional<bool>(false))).exists());
  EXPECT_TRUE(ToReply(absl::StatusOr<std::optional<bool>>(std::optional<bool>(true))).exists());
  const auto failed = ToReply(absl::StatusOr<std::optional<bool>>(absl::InternalError("no")));
  EXPECT_EQ(failed.err().err_msg(), "no");
}

}  // namespace
}  // namespace belfry::internal
