#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "belfry/engine.h"
#include "belfry/status_macros.h"
#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"

namespace belfry {
namespace {

using ::testing::ElementsAre;
using testing::EventIs;
using testing::FailsWith;
using ::testing::IsEmpty;
using testing::IsNoContent;

// Keeps a text under two keys, and tells of it with an event of the type that it is asked to use.
void DefinePairs(Engine& engine) {
  Route& pair = engine.Path("pair", "A text, kept twice.");
  const auto text = pair.Field<std::string>("text", "What to keep.");
  const auto type = pair.Field<std::string>("type", "The type of the event.");
  pair.Default(type, std::string("pair/write"));
  pair.OnWrite([text, type](Request& request) -> Result {
    StorageBatch batch;
    batch.Put("left", request[text]).Put("right", request[text]).Delete("old");
    batch.AddEvent(request[type], {.path = "pair", .modified = true});
    BELFRY_RETURN_IF_ERROR(request.storage().Apply(batch));
    return Response::NoContent();
  });
}

class StorageBatchTest : public testing::OnBothHosts {
 protected:
  Result Write(const char* text, Json::Object more = {}) {
    more["text"] = text;
    return host_->Write("pair", std::move(more));
  }
  // What is stored, as "left right old".
  std::string Stored() {
    std::string all;
    for (const char* key : {"left", "right", "old"})
      all += host_->storage().Get(key)->value_or("-") + " ";
    all.pop_back();
    return all;
  }
  void SetUp() override { ASSERT_EQ(host_->storage().Put("old", "o"), absl::OkStatus()); }

  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefinePairs);
};
BELFRY_RUN_ON_BOTH_HOSTS(StorageBatchTest);

TEST_P(StorageBatchTest, IsStoredAndTold) {
  EXPECT_THAT(Write("a"), IsNoContent());
  EXPECT_EQ(Stored(), "a a -");
  EXPECT_THAT(host_->events(), ElementsAre(EventIs("pair/write", "pair")));
  EXPECT_EQ(host_->events()[0].metadata.at("operation"), "write");
}

TEST_P(StorageBatchTest, ThatCannotBeStoredChangesAndTellsNothing) {
  // The write's own existence check comes first.
  host_->storage().ReadOnly();
  EXPECT_THAT(Write("a"), FailsWith(absl::StatusCode::kFailedPrecondition, "readonly"));
  EXPECT_EQ(Stored(), "- - o");
  EXPECT_THAT(host_->events(), IsEmpty());
}

TEST_P(StorageBatchTest, IsNotUndoneByARefusedEvent) {
  host_->RefuseEvents(absl::PermissionDeniedError("no"));
  EXPECT_THAT(Write("a"), IsNoContent());
  EXPECT_EQ(Stored(), "a a -");
  EXPECT_THAT(host_->events(), IsEmpty());
}

TEST_P(StorageBatchTest, CannotTellWhatIsTheHostsToTell) {
  for (const char* type : {"sys/plugin-crash", "SYS/x"}) {
    EXPECT_THAT(Write("a", {{"type", type}}), IsNoContent());
    EXPECT_THAT(host_->events(), IsEmpty()) << type;
  }
}

TEST_P(StorageBatchTest, IsNotUndoneByAnEventThatMustNotBeSent) {
  EXPECT_THAT(Write("a", {{"type", "no slash"}}), IsNoContent());
  EXPECT_EQ(Stored(), "a a -");
  EXPECT_THAT(host_->events(), IsEmpty());
}

TEST_P(StorageBatchTest, OneByOneEndsAtTheFirstPutThatFails) {
  // After the existence check and one Put.
  host_->storage().FailAfter(2, absl::InternalError("full"));
  EXPECT_THAT(Write("a"), FailsWith(absl::StatusCode::kInternal, "full"));
  EXPECT_EQ(Stored(), "a - o");
  EXPECT_THAT(host_->events(), IsEmpty());
}

TEST_P(StorageBatchTest, OneByOneGoesOnAfterADeleteThatFails) {
  // After the existence check and both Puts.
  host_->storage().FailAfter(3, absl::InternalError("full"));
  EXPECT_THAT(Write("a"), FailsWith(absl::StatusCode::kAborted, "full"));
  EXPECT_EQ(Stored(), "a a o");
}

// Keeps a JSON value, alone and in a batch.
void DefineJson(Engine& engine) {
  Route& json = engine.Path("json", "A value.");
  const auto value = json.Field<Json>("value", "What to keep.");
  json.OnWrite([value](Request& request) -> Result {
    BELFRY_RETURN_IF_ERROR(request.storage().PutJson("alone", request[value]));
    BELFRY_RETURN_IF_ERROR(
        request.storage().Apply(StorageBatch().PutJson("batch", request[value])));
    return Response::NoContent();
  });
  json.OnRead([](Request& request) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const std::optional<Json> alone, request.storage().GetJson("alone"));
    BELFRY_ASSIGN_OR_RETURN(const std::optional<Json> batch, request.storage().GetJson("batch"));
    if (!alone) return Response::NotFound();
    return Response::Data({{"same", alone == batch}, {"value", *alone}});
  });
}

class StoredJsonTest : public testing::OnBothHosts {
 protected:
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineJson);
};
BELFRY_RUN_ON_BOTH_HOSTS(StoredJsonTest);

TEST_P(StoredJsonTest, ComesBackAsItWas) {
  EXPECT_THAT(host_->Read("json"), testing::IsNotFound());
  const Json value = *Json::Parse(R"({"a":[1.50,null,"ä"]})");
  ASSERT_THAT(host_->Write("json", {{"value", value}}), IsNoContent());
  EXPECT_THAT(host_->Read("json"),
              testing::IsData(R"({"same":true,"value":{"a":[1.50,null,"ä"]}})"));
}

TEST_P(StoredJsonTest, ThatIsNoneIsLostDataAndIsNotShown) {
  ASSERT_EQ(host_->storage().Put("alone", "s3cret"), absl::OkStatus());
  const Result read = host_->Read("json");
  EXPECT_THAT(read, FailsWith(absl::StatusCode::kDataLoss, "stored at \"alone\" is not JSON"));
  EXPECT_EQ(read.status().message().find("s3cret"), absl::string_view::npos);
}

}  // namespace
}  // namespace belfry
