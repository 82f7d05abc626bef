#include "sdk/src/testing/wire_reply.h"

#include <gtest/gtest.h>

namespace belfry::testing {
namespace {

pb::HandleRequestReply WithData(const std::string& data) {
  pb::HandleRequestReply reply;
  reply.mutable_response()->set_data(data);
  return reply;
}

// A real host fails such a request with 500, whatever error stands beside it. (plugin-protocol 5.3)
TEST(WireReplyTest, DataThatIsNoObjectBreaksTheProtocol) {
  for (const char* data : {"", "[]", "{", "1"}) {
    pb::HandleRequestReply reply = WithData(data);
    reply.mutable_err()->set_err_type(8);
    EXPECT_EQ(FromReply("read", reply).status().code(), absl::StatusCode::kInternal) << data;
  }
  pb::HandleRequestReply reply = WithData("{}");
  reply.mutable_response()->mutable_secret()->set_internal_data("[]");
  EXPECT_EQ(FromReply("read", reply).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(WireReplyTest, NoResponseIsNotFoundToAQuestionAndNothingToSayOtherwise) {
  const pb::HandleRequestReply nothing;
  EXPECT_EQ(*FromReply("read", nothing), Response::NotFound());
  EXPECT_EQ(*FromReply("list", nothing), Response::NotFound());
  EXPECT_EQ(*FromReply("update", nothing), Response::NoContent());
}

TEST(WireReplyTest, AnErrorCountsAboveTheResponseBesideIt) {
  pb::HandleRequestReply reply = WithData(R"({"error":"no"})");
  reply.mutable_err()->set_err_type(3);
  reply.mutable_err()->set_err_code(404);
  reply.mutable_err()->set_err_msg("no");
  EXPECT_EQ(FromReply("read", reply).status(), absl::NotFoundError("no"));
}

}  // namespace
}  // namespace belfry::testing
