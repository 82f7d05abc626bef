#include <gmock/gmock.h>

#include <future>
#include <memory>
#include <string>
#include <variant>

#include "server/api/body_stream.h"
#include "server/process/process_api_fixture.h"
#include "server/storage/physical_storage.h"
#include "server/storage/snapshot_file.h"
#include "server/storage/write_batch.h"

namespace belfry::process {
namespace {

using ::testing::HasSubstr;

class SnapshotsTest : public ProcessApiTest {
 protected:
  SnapshotsTest() { next_.allowed = api::SaveSnapshot(); }

  void Store(std::string key, std::string value) {
    storage::WriteBatch batch;
    batch.Put(std::move(key), std::move(value));
    storage::WriteBatch* const one = &batch;
    ASSERT_EQ(stored_->Write({&one, 1}), absl::OkStatus());
  }
  static absl::StatusOr<std::string> Next(api::BodyStream& stream) {
    std::promise<absl::StatusOr<std::string>> piece;
    stream.Next([&piece](absl::StatusOr<std::string> it) { piece.set_value(std::move(it)); });
    return piece.get_future().get();
  }
  static std::string ReadAll(api::BodyStream& stream) {
    std::string all;
    for (;;) {
      const std::string piece = Next(stream).value();
      if (piece.empty()) return all;
      all += piece;
    }
  }
};

TEST_F(SnapshotsTest, WhoIsAllowedGetsWhatIsStoredNow) {
  Store("data/sealed", "bytes");
  const api::HttpResponse answer = Send("GET", "sys/storage/snapshot");
  EXPECT_EQ(answer.status, 200);
  Store("data/later", "bytes");
  ASSERT_NE(answer.stream, nullptr);
  const std::string file = ReadAll(*answer.stream);
  storage::SnapshotEncoder expected;
  std::string bytes = expected.Begin({.taken = clock_.Now(), .version = "1.21.0"});
  const storage::Entry entry{"data/sealed", "bytes"};
  bytes += expected.Add({&entry, 1});
  EXPECT_EQ(file, bytes + expected.End());
}

TEST_F(SnapshotsTest, WhoIsNotAllowedGetsTheRefusal) {
  next_.allowed = std::nullopt;
  const api::HttpResponse answer = Send("GET", "sys/storage/snapshot");
  EXPECT_EQ(answer.status, 418);
  EXPECT_EQ(answer.stream, nullptr);
}

TEST_F(SnapshotsTest, OneAtATimeUntilItsStreamHasGone) {
  api::HttpResponse first = Send("GET", "sys/storage/snapshot");
  EXPECT_EQ(first.status, 200);
  EXPECT_THAT(Error(Send("GET", "sys/storage/snapshot")), HasSubstr("503 another snapshot"));
  first.stream.reset();
  EXPECT_EQ(Send("GET", "sys/storage/snapshot").status, 200);
}

TEST_F(SnapshotsTest, OneThatIsTakenSlowlyGivesWayAndIsNotTakenForWhole) {
  Store("data/sealed", "bytes");
  const api::HttpResponse slow = Send("GET", "sys/storage/snapshot");
  EXPECT_TRUE(Next(*slow.stream).ok());
  scheduler_.Advance(absl::Seconds(4));
  EXPECT_EQ(Send("GET", "sys/storage/snapshot").status, 503);
  EXPECT_TRUE(Next(*slow.stream).ok());
  scheduler_.Advance(absl::Seconds(4));
  EXPECT_EQ(Send("GET", "sys/storage/snapshot").status, 503);
  scheduler_.Advance(absl::Seconds(1));
  const api::HttpResponse next = Send("GET", "sys/storage/snapshot");
  EXPECT_EQ(next.status, 200);
  EXPECT_EQ(Next(*slow.stream).status().code(), absl::StatusCode::kAborted);
  EXPECT_NE(ReadAll(*next.stream), "");
}

}  // namespace
}  // namespace belfry::process
