// Answers whose bodies come in pieces.
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/api/body_stream.h"
#include "server/http/session_fixture.h"

namespace belfry::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Gives a piece when the test says so.
class FakeStream final : public api::BodyStream {
 public:
  void Next(Done done) override {
    EXPECT_FALSE(asked_) << "asked for a piece before it had the last one";
    ++times_asked;
    asked_ = std::move(done);
  }
  bool asked() const { return asked_.has_value(); }
  void Give(absl::StatusOr<std::string> piece) {
    Done done = *std::exchange(asked_, std::nullopt);
    done(std::move(piece));
  }

  int times_asked = 0;

 private:
  std::optional<Done> asked_;
};

class BodyStreamTest : public SessionTest {
 protected:
  void SetUp() override {
    api_.answer = [this](const api::HttpRequest&, FakeApi::Respond respond) {
      respond(api::HttpResponse{.status = 200, .headers = {{"X", "1"}}, .stream = stream_});
    };
  }
  void Ask(const std::string& request) {
    Serve(client_);
    client_.Send(request);
    Poll();
  }
  void Give(absl::StatusOr<std::string> piece) {
    ASSERT_TRUE(stream_->asked());
    stream_->Give(std::move(piece));
    Poll();
  }

  const std::shared_ptr<FakeStream> stream_ = std::make_shared<FakeStream>();
  MemoryClient client_{&io_};
};

TEST_F(BodyStreamTest, PiecesAreChunksAndTheConnectionGoesOn) {
  Ask(Request("GET /a") + Request("GET /b"));
  const std::string head = client_.TakeReceived();
  EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(head, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(head, EndsWith("\r\n\r\n"));
  Give("first piece");
  EXPECT_EQ(client_.TakeReceived(), "b\r\nfirst piece\r\n");
  Give(std::string(300, 'x'));
  EXPECT_EQ(client_.TakeReceived(), "12c\r\n" + std::string(300, 'x') + "\r\n");
  Give("");
  EXPECT_THAT(client_.TakeReceived(), StartsWith("0\r\n\r\nHTTP/1.1 200 OK\r\n"));
  EXPECT_EQ(api_.LastRequest().path, "/b");
}

TEST_F(BodyStreamTest, NoPieceIsAskedForBeforeTheLastOneHasLeft) {
  Ask(Request("GET /a"));
  client_.TakeReceived();
  client_.SetRoom(5);
  Give("first piece");
  EXPECT_EQ(stream_->times_asked, 1);
  client_.SetRoom(kMuchRoom);
  Poll();
  EXPECT_EQ(stream_->times_asked, 2);
  EXPECT_EQ(client_.TakeReceived(), "b\r\nfirst piece\r\n");
}

TEST_F(BodyStreamTest, AnErrorBreaksItOffWithoutItsEnd) {
  Ask(Request("GET /a"));
  Give("first piece");
  client_.TakeReceived();
  Give(absl::DataLossError("damaged"));
  EXPECT_EQ(client_.TakeReceived(), "");
  EXPECT_TRUE(client_.closed());
  EXPECT_EQ(Sessions(), 0);
}

TEST_F(BodyStreamTest, AClientThatTakesNothingIsCutOffAndTheStreamGoes) {
  Ask(Request("GET /a"));
  client_.SetRoom(0);
  Give("first piece");
  const std::weak_ptr<FakeStream> stream = stream_;
  Pass(timeouts_.write - absl::Seconds(1));
  EXPECT_FALSE(client_.closed());
  Pass(absl::Seconds(2));
  EXPECT_TRUE(client_.closed());
  EXPECT_EQ(Sessions(), 0);
  // The test's own.
  EXPECT_EQ(stream.use_count(), 1);
}

TEST_F(BodyStreamTest, AStreamThatNeverGoesOnIsCutOffAndNotAnsweredTwice) {
  Ask(Request("GET /a"));
  client_.TakeReceived();
  Pass(limits_.max_request_duration + absl::Seconds(6));
  EXPECT_EQ(client_.TakeReceived(), "");
  EXPECT_TRUE(client_.closed());
  // Too late.
  stream_->Give("first piece");
  Poll();
  EXPECT_EQ(client_.TakeReceived(), "");
}

TEST_F(BodyStreamTest, HeadHasNoBodyAndAsksForNoPiece) {
  Ask(Request("HEAD /a") + Request("HEAD /b"));
  EXPECT_EQ(stream_->times_asked, 0);
  EXPECT_THAT(client_.TakeReceived(), EndsWith("\r\n\r\n"));
  EXPECT_EQ(api_.LastRequest().path, "/b");
}

TEST_F(BodyStreamTest, BeforeHttp11ThereIsNone) {
  Ask("GET /a HTTP/1.0\r\n\r\n");
  EXPECT_THAT(client_.TakeReceived(), StartsWith("HTTP/1.0 505 "));
  EXPECT_EQ(stream_->times_asked, 0);
}

TEST_F(BodyStreamTest, AShutdownLetsItEndAndASecondOneCutsItOff) {
  Ask(Request("GET /a"));
  const auto shut_down = [this] {
    context_->connections.ShutDown(std::chrono::steady_clock::time_point::min());
    Poll();
  };
  Give("first piece");
  shut_down();
  EXPECT_FALSE(client_.closed());
  Give("second piece");
  client_.TakeReceived();
  shut_down();
  EXPECT_TRUE(client_.closed());
}

}  // namespace
}  // namespace belfry::http
