#include <atomic>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/byte_budget.h"
#include "server/http/http_date.h"
#include "server/http/outgoing_queue.h"
#include "server/http/request_parser.h"
#include "server/http/request_target.h"
#include "server/http/websocket_frames.h"

namespace belfry::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

bus::Frame Text(std::string text) {
  return std::make_shared<const bus::Message>(bus::Message{.bytes = std::move(text)});
}

std::vector<std::string> Texts(const std::vector<OutgoingQueue::Item>& items) {
  std::vector<std::string> texts;
  for (const OutgoingQueue::Item& item : items) texts.push_back(item.frame->bytes);
  return texts;
}

TEST(RequestTarget, ParametersAreBounded) {
  std::string target = "/v1/a?x";
  for (std::size_t i = 1; i < kMaxQueryParameters; ++i) target += "&x";
  EXPECT_FALSE(HasTooManyParameters(target));
  EXPECT_EQ(ParseRequestTarget(target)->query.size(), kMaxQueryParameters);
  EXPECT_TRUE(HasTooManyParameters(target + "&x"));
}

TEST(RequestTarget, IsTakenApartAndDecoded) {
  const std::optional<RequestTarget> target = ParseRequestTarget("/v1/a%2Fb+c?x=1%202+3&&y&=z&x=");
  ASSERT_TRUE(target.has_value());
  EXPECT_EQ(target->path, "/v1/a/b+c");
  EXPECT_EQ(target->as_written, "/v1/a%2Fb+c?x=1%202+3&&y&=z&x=");
  EXPECT_THAT(target->query,
              ElementsAre(Pair("x", "1 2 3"), Pair("y", ""), Pair("", "z"), Pair("x", "")));
  EXPECT_EQ(ParseRequestTarget("http://host:8200/v1/a?b=c")->path, "/v1/a");
  EXPECT_EQ(ParseRequestTarget("http://host:8200//v1/a?b#c")->as_written, "//v1/a?b");
  EXPECT_EQ(ParseRequestTarget("http://host")->path, "/");
}

TEST(RequestTarget, BrokenOnesAreNone) {
  for (const char* broken : {"", "*", "v1/a", "/%", "/%4", "/%zz", "/a?b=%g0", "ftp://host/a"}) {
    EXPECT_FALSE(ParseRequestTarget(broken).has_value()) << broken;
  }
}

TEST(WebSocketFrames, HeaderHasTheShortestLength) {
  EXPECT_EQ(ServerFrameHeader(Opcode::kText, 125).View(), "\x81\x7d");
  EXPECT_EQ(ServerFrameHeader(Opcode::kBinary, 126).View(),
            std::string_view("\x82\x7e\x00\x7e", 4));
  EXPECT_EQ(ServerFrameHeader(Opcode::kText, 65535).View(),
            std::string_view("\x81\x7e\xff\xff", 4));
  EXPECT_EQ(ServerFrameHeader(Opcode::kText, 65536).View(),
            std::string_view("\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10));
}

TEST(WebSocketFrames, CloseReasonIsCutToWhatAFrameHolds) {
  const std::string frame = CloseFrame(CloseCode::kTryAgainLater, std::string(200, 'r'));
  EXPECT_EQ(frame, std::string("\x88\x7d\x03\xf5") + std::string(123, 'r'));
}

TEST(WebSocketFrames, ACloseIsAnsweredWithItsCodeWhereThatMayBe) {
  const auto reply = [](std::string_view payload) { return CloseReply(payload).substr(2); };
  EXPECT_EQ(reply(""), "");
  EXPECT_EQ(reply("\x03\xe8 bye"), "\x03\xe8");
  EXPECT_EQ(reply("\x03"), "\x03\xea");          // Half a code: 1002.
  EXPECT_EQ(reply("\x03\xed"), "\x03\xea");      // 1005 is never sent.
  EXPECT_EQ(reply("\x03\xe8\xff"), "\x03\xef");  // 1007.
  EXPECT_EQ(reply("\x03\xe8\xc3\xbc"), "\x03\xe8");
  EXPECT_EQ(reply("\x03\xed\xff"), "\x03\xea");
}

TEST(ByteBudget, LeasesThatDoNotFitHoldWhatTheyHeld) {
  const auto budget = std::make_shared<ByteBudget>(100);
  ByteBudget::Lease first(budget);
  ByteBudget::Lease second(budget);
  EXPECT_TRUE(first.Resize(60));
  EXPECT_TRUE(second.Resize(40));
  EXPECT_FALSE(second.Resize(41));
  EXPECT_EQ(budget->used(), 100u);
  EXPECT_TRUE(second.Resize(30));
  EXPECT_TRUE(first.Resize(70));
  EXPECT_EQ(budget->used(), 100u);
}

TEST(ByteBudget, ALeaseThatIsAloneAlwaysFits) {
  const auto budget = std::make_shared<ByteBudget>(100);
  ByteBudget::Lease first(budget);
  ByteBudget::Lease second(budget);
  EXPECT_TRUE(first.Resize(200));
  EXPECT_FALSE(second.Resize(1));
  EXPECT_TRUE(first.Resize(150));
  first.Release();
  EXPECT_TRUE(second.Resize(200));
}

TEST(ByteBudget, WhatALeaseHoldsMovesWithItAndGoesWithIt) {
  const auto budget = std::make_shared<ByteBudget>(100);
  {
    ByteBudget::Lease lease(budget);
    EXPECT_TRUE(lease.Resize(60));
    ByteBudget::Lease moved(std::move(lease));
    EXPECT_EQ(budget->used(), 60u);
    ByteBudget::Lease other(budget);
    EXPECT_TRUE(other.Resize(40));
    other = std::move(moved);
    EXPECT_EQ(budget->used(), 60u);
  }
  EXPECT_EQ(budget->used(), 0u);
}

TEST(ByteBudget, IsNeverExceededByManyAtOnce) {
  const auto budget = std::make_shared<ByteBudget>(100);
  std::atomic<bool> exceeded = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      ByteBudget::Lease lease(budget);
      for (std::size_t round = 0; round < 2000; ++round) {
        if (!lease.Resize(round % 45)) lease.Release();
        if (budget->used() > 100) exceeded = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(exceeded);
  EXPECT_EQ(budget->used(), 0u);
}

TEST(HttpDate, IsAnImfFixdate) {
  EXPECT_EQ(HttpDate(absl::FromUnixSeconds(784111777)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(HttpDate(absl::FromUnixSeconds(784111777) + absl::Milliseconds(999)),
            "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(HttpDate(absl::FromUnixSeconds(784111778)), "Sun, 06 Nov 1994 08:49:38 GMT");
  EXPECT_EQ(HttpDate(absl::FromUnixSeconds(784111777)), "Sun, 06 Nov 1994 08:49:37 GMT");
}

// All of it at once; the status that answers an error, else 200.
int StatusOf(RequestParser& parser, std::string_view bytes) {
  boost::system::error_code error;
  parser.eager(true);
  parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  return error ? parser.status_of_error() : 200;
}

TEST(RequestParser, ATransferEncodingIsChunkedAndNothingElse) {
  const auto status = [](std::string_view fields) {
    RequestParser parser;
    return StatusOf(parser, "POST / HTTP/1.1\r\n" + std::string(fields) + "\r\n0\r\n\r\n");
  };
  EXPECT_EQ(status("Transfer-Encoding: chunked\r\n"), 200);
  EXPECT_EQ(status("Transfer-Encoding: CHUNKED\r\n"), 200);
  for (const char* encoding : {"xchunked", "gzip, chunked", "chunked, gzip", "identity", ""}) {
    EXPECT_EQ(status("Transfer-Encoding: " + std::string(encoding) + "\r\n"), 501) << encoding;
  }
  EXPECT_EQ(status("Transfer-Encoding: identity\r\nContent-Length: 0\r\n"), 400);
  EXPECT_EQ(status("Content-Length: 0\r\nContent-Length: 0\r\n"), 400);
}

TEST(RequestParser, TrailersAreDropped) {
  RequestParser parser;
  EXPECT_EQ(StatusOf(parser,
                     "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "2\r\n{}\r\n0\r\nX-Vault-Token: root\r\n\r\n"),
            200);
  EXPECT_TRUE(parser.is_done());
  EXPECT_EQ(parser.target(), "/a");
  EXPECT_EQ(parser.request().method, "POST");
  EXPECT_EQ(parser.request().body, "{}");
  EXPECT_THAT(parser.request().headers,
              ElementsAre(Pair("Host", "x"), Pair("Transfer-Encoding", "chunked")));
}

TEST(RequestParser, AChunkedBodyMayComeInPiecesOfAnySize) {
  for (const std::string_view chunks :
       {"0\r\n\r\n", "0;x=y\r\nA: b\r\n\r\n", "1\r\na\r\n0\r\n\r\n"}) {
    const std::string bytes =
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(chunks);
    RequestParser parser;
    // As a connection does: what was not used is shown again with the next byte.
    std::size_t used = 0;
    for (std::size_t shown = 1; shown <= bytes.size(); ++shown) {
      boost::system::error_code error;
      used += parser.put(boost::asio::buffer(bytes.data() + used, shown - used), error);
      ASSERT_TRUE(!error || error == boost::beast::http::error::need_more) << error.message();
    }
    EXPECT_TRUE(parser.is_done()) << chunks;
    EXPECT_EQ(parser.request().body, chunks[0] == '1' ? "a" : "");
  }
}

TEST(RequestParser, AChunkExtensionHasNoControlCharacters) {
  const auto status = [](std::string_view extension, std::string_view size) {
    RequestParser parser;
    std::string bytes = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    bytes += std::string(size) + std::string(extension) + "\r\n";
    bytes += size == "1" ? "a\r\n0\r\n\r\n" : "\r\n";
    return StatusOf(parser, bytes);
  };
  for (const char* size : {"1", "0"}) {
    EXPECT_EQ(status(";a=\"z\tz\"", size), 200) << size;
    for (const char* bad : {";a=\"\nz\"", ";a=\"z\r\"", ";a=\"\x01\"", ";a=\"\x7f\"", ";a\n"}) {
      EXPECT_EQ(status(bad, size), 400) << bad << size;
    }
  }
}

TEST(RequestParser, TooManyFieldsAreTooLong) {
  const auto error_of = [](std::size_t fields, std::size_t trailers) {
    RequestParser parser;
    std::string bytes = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n";
    for (std::size_t i = 1; i < fields; ++i) bytes += "A: b\r\n";
    bytes += "\r\n0\r\n";
    for (std::size_t i = 0; i < trailers; ++i) bytes += "A: b\r\n";
    bytes += "\r\n";
    boost::system::error_code error;
    parser.eager(true);
    parser.header_limit(1024 * 1024);
    parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
    return error;
  };
  const auto too_long = make_error_code(boost::beast::http::error::header_limit);
  EXPECT_FALSE(error_of(kMaxFields, 0));
  EXPECT_EQ(error_of(kMaxFields + 1, 0), too_long);
  EXPECT_EQ(error_of(kMaxFields, 1), too_long);
}

TEST(RequestParser, AFieldIsOneLine) {
  const auto status = [](std::string_view fields) {
    RequestParser parser;
    return StatusOf(parser, "POST / HTTP/1.1\r\n" + std::string(fields) + "\r\n");
  };
  EXPECT_EQ(status("X:\r\nY: \t\r\nZ:a\r\nContent-Length: \t 0 \t\r\n"), 200);
  for (const char* folded : {"Content-Length:\r\n 0\r\n", "X:\r\n\ta\r\n", "X: a\r\n b\r\n",
                             "X: a\r\n \r\n", "X:\r\n \r\n", " X: a\r\n"}) {
    EXPECT_EQ(status(folded), 400) << folded;
  }
  EXPECT_EQ(status("Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n"), 400);
}

TEST(RequestParser, AChunkIsReadOnceItsBodyIsAllowed) {
  RequestParser parser;
  parser.eager(true);
  parser.AllowBody(4);
  const std::string_view bytes =
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n3\r\nmor\r\n0\r\n\r\n";
  boost::system::error_code error;
  const std::size_t used = parser.put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  EXPECT_EQ(error, boost::beast::http::error::need_buffer);
  EXPECT_EQ(parser.promised_body(), 7u);
  EXPECT_EQ(parser.request().body, "four");
  parser.AllowBody(7);
  const std::string_view rest = bytes.substr(used);
  parser.put(boost::asio::buffer(rest.data(), rest.size()), error);
  EXPECT_TRUE(parser.is_done());
  EXPECT_EQ(parser.request().body, "fourmor");
}

TEST(WebSocketFrames, AcceptKeyIsTheOneOfTheStandard) {
  EXPECT_EQ(AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST(FrameReader, ReadsFramesHoweverTheyArrive) {
  // A ping "Hi", a message of 300 bytes, an empty pong, a close with code 1000.
  std::string stream("\x89\x82\x01\x02\x03\x04", 6);
  stream += static_cast<char>('H' ^ 1);
  stream += static_cast<char>('i' ^ 2);
  stream += std::string("\x82\xfe\x01\x2c\x00\x00\x00\x00", 8) + std::string(300, '\x88');
  stream += std::string("\x8a\x80\x09\x09\x09\x09", 6);
  stream += std::string("\x88\x82\x00\x00\x00\x00\x03\xe8", 8);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, stream.size()}) {
    FrameReader reader;
    std::vector<ClientFrame> frames;
    for (std::size_t i = 0; i < stream.size(); i += step) {
      for (ClientFrame& frame : reader.Feed(std::string_view(stream).substr(i, step))) {
        frames.push_back(std::move(frame));
      }
    }
    ASSERT_THAT(frames, SizeIs(4)) << step;
    EXPECT_EQ(frames[0].kind, ClientFrame::Kind::kPing);
    EXPECT_EQ(frames[0].payload, "Hi");
    EXPECT_EQ(frames[1].kind, ClientFrame::Kind::kData);
    EXPECT_EQ(frames[2].kind, ClientFrame::Kind::kPong);
    EXPECT_EQ(frames[2].payload, "");
    EXPECT_EQ(frames[3].kind, ClientFrame::Kind::kClose);
    EXPECT_EQ(frames[3].payload, "\x03\xe8");
  }
}

TEST(FrameReader, LengthsAreAsShortAsTheyCanBe) {
  const auto kind = [](std::string_view bytes) {
    FrameReader reader;
    return reader.Feed(bytes).front().kind;
  };
  EXPECT_EQ(kind({"\x82\xfe\x00\x7e\0\0\0\0", 8}), ClientFrame::Kind::kData);
  EXPECT_EQ(kind({"\x82\xfe\x00\x7d\0\0\0\0", 8}), ClientFrame::Kind::kProtocolError);
  EXPECT_EQ(kind({"\x82\xff\0\0\0\0\0\1\0\0\0\0\0\0", 14}), ClientFrame::Kind::kData);
  EXPECT_EQ(kind({"\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14}), ClientFrame::Kind::kProtocolError);
  EXPECT_EQ(kind({"\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14}), ClientFrame::Kind::kProtocolError);
}

TEST(FrameReader, SaysNothingAfterAFrameThatIsNone) {
  FrameReader reader;
  const std::vector<ClientFrame> frames =
      reader.Feed(std::string_view("\x89\x00\x89\x80\x00\x00\x00\x00", 8));
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(frames[0].kind, ClientFrame::Kind::kProtocolError);
  EXPECT_THAT(reader.Feed("\x89\x80...."), IsEmpty());
}

TEST(OutgoingQueue, WakesOnceUntilNothingIsLeft) {
  OutgoingQueue queue(100, 1000);
  int wakes = 0;
  queue.Offer(Text("before"), 1);
  queue.Start([&wakes] { ++wakes; });
  EXPECT_EQ(wakes, 1);
  queue.Offer(Text("a"), 1);
  queue.Offer(Text("b"), 1);
  EXPECT_EQ(wakes, 1);
  EXPECT_THAT(Texts(queue.Take(2, 1000)), ElementsAre("before", "a"));
  EXPECT_THAT(Texts(queue.Take(2, 1000)), ElementsAre("b"));
  queue.Offer(Text("c"), 1);
  EXPECT_EQ(wakes, 1);
  EXPECT_THAT(Texts(queue.Take(2, 1000)), ElementsAre("c"));
  EXPECT_THAT(queue.Take(2, 1000), IsEmpty());
  queue.Offer(Text("d"), 1);
  EXPECT_EQ(wakes, 2);
}

TEST(OutgoingQueue, TakesNoMoreOnceTheBytesAreReached) {
  OutgoingQueue queue(100, 1000);
  for (const char* text : {"aaaa", "bbbb", "cccc"}) queue.Offer(Text(text), 1);
  EXPECT_THAT(Texts(queue.Take(10, 5)), ElementsAre("aaaa", "bbbb"));
}

TEST(OutgoingQueue, IsFullInFramesOrInBytesAndThenEnds) {
  OutgoingQueue frames(2, 1000);
  EXPECT_EQ(frames.Offer(Text("a"), 1), bus::OfferResult::kAccepted);
  EXPECT_EQ(frames.Offer(Text("b"), 1), bus::OfferResult::kAccepted);
  EXPECT_EQ(frames.Offer(Text("c"), 1), bus::OfferResult::kFull);
  EXPECT_EQ(frames.Offer(Text("d"), 1), bus::OfferResult::kClosed);
  EXPECT_TRUE(frames.Overflowed());
  EXPECT_THAT(frames.Take(10, 1000), IsEmpty());
  EXPECT_EQ(frames.Close(), 2u);
  EXPECT_EQ(frames.Close(), 0u);

  OutgoingQueue bytes(100, 10);
  EXPECT_EQ(bytes.Offer(Text("0123456789"), 1), bus::OfferResult::kAccepted);
  EXPECT_EQ(bytes.Offer(Text(""), 1), bus::OfferResult::kAccepted);
  EXPECT_EQ(bytes.Offer(Text("x"), 1), bus::OfferResult::kFull);
}

TEST(OutgoingQueue, WhatIsTakenCountsUntilItIsReleased) {
  OutgoingQueue queue(2, 1000);
  queue.Offer(Text("a"), 1);
  queue.Offer(Text("b"), 1);
  EXPECT_THAT(queue.Take(2, 1000), SizeIs(2));
  queue.Release(1, 1);
  EXPECT_EQ(queue.Offer(Text("c"), 1), bus::OfferResult::kAccepted);
  EXPECT_EQ(queue.Offer(Text("d"), 1), bus::OfferResult::kFull);
}

TEST(OutgoingQueue, WhatComesFromTheJournalMayFillASixteenthAndIsWokenAtHalfOfThat) {
  OutgoingQueue queue(64, 10'000);
  int awoken = 0;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(queue.HasRoom());
    queue.Offer(Text("a"), 1);
  }
  EXPECT_FALSE(queue.HasRoom());
  EXPECT_FALSE(queue.AwaitRoom([&awoken] { ++awoken; }));
  EXPECT_THAT(queue.Take(5, 1000), SizeIs(5));
  queue.Release(2, 2);
  EXPECT_EQ(awoken, 0);
  queue.Release(1, 1);
  EXPECT_EQ(awoken, 1);
  queue.Release(2, 2);
  EXPECT_EQ(awoken, 1);
  EXPECT_TRUE(queue.AwaitRoom([&awoken] { ++awoken; }));

  OutgoingQueue bytes(100, 160);
  bytes.Offer(Text(std::string(11, 'a')), 1);
  EXPECT_FALSE(bytes.HasRoom());
}

TEST(OutgoingQueue, AwaitRoomOnAnEndedQueueReturnsTrue) {
  for (const bool by_close : {true, false}) {
    OutgoingQueue queue(16, 1000);
    bool awoken = false;
    for (int i = 0; i < 10; ++i) queue.Offer(Text("a"), 1);
    EXPECT_THAT(queue.Take(10, 1000), SizeIs(10));
    EXPECT_FALSE(queue.AwaitRoom([&awoken] { awoken = true; }));
    if (by_close) {
      queue.Close();
    } else {
      queue.End("token revoked");
    }
    EXPECT_TRUE(queue.HasRoom());
    EXPECT_TRUE(queue.AwaitRoom([&awoken] { awoken = true; }));
    EXPECT_EQ(queue.Offer(Text("b"), 1), bus::OfferResult::kClosed);
    EXPECT_FALSE(awoken);
  }
}

TEST(OutgoingQueue, WakesOnOverflowEvenWhileTheConsumerIsAwake) {
  OutgoingQueue queue(1, 1000);
  int wakes = 0;
  queue.Start([&wakes] { ++wakes; });
  queue.Offer(Text("a"), 1);
  queue.Offer(Text("b"), 1);
  EXPECT_EQ(wakes, 2);
}

TEST(OutgoingQueue, EndsAsFullWhenTooMuchWaitsElsewhere) {
  OutgoingQueue queue(100, 1000);
  int wakes = 0;
  queue.Start([&wakes] { ++wakes; });
  queue.Offer(Text("a"), 1);
  queue.Overflow();
  EXPECT_EQ(wakes, 2);
  EXPECT_TRUE(queue.Overflowed());
  EXPECT_EQ(queue.Offer(Text("b"), 1), bus::OfferResult::kClosed);
  queue.Overflow();
  EXPECT_EQ(wakes, 2);
  EXPECT_EQ(queue.Close(), 1u);

  OutgoingQueue ended(100, 1000);
  ended.End("token revoked");
  ended.Overflow();
  EXPECT_FALSE(ended.Overflowed());
}

TEST(OutgoingQueue, AFrameKeepsItsPolicyVersion) {
  OutgoingQueue queue(10, 1000);
  queue.Offer(Text("a"), 7);
  queue.Offer(Text("b"), 8);
  const std::vector<OutgoingQueue::Item> taken = queue.Take(10, 1000);
  ASSERT_THAT(taken, SizeIs(2));
  EXPECT_EQ(taken[0].policy_version, 7u);
  EXPECT_EQ(taken[1].policy_version, 8u);
}

TEST(OutgoingQueue, EndDropsWhatWaitsAndSaysWhy) {
  OutgoingQueue queue(10, 1000);
  int wakes = 0;
  queue.Start([&wakes] { ++wakes; });
  queue.Offer(Text("a"), 1);
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(queue.EndReason(), std::nullopt);
  queue.End("token revoked");
  EXPECT_EQ(wakes, 2);
  queue.End("policy changed");
  EXPECT_EQ(wakes, 2);
  EXPECT_EQ(queue.EndReason(), "token revoked");
  EXPECT_THAT(queue.Take(10, 1000), IsEmpty());
  EXPECT_EQ(queue.Offer(Text("b"), 1), bus::OfferResult::kClosed);
  EXPECT_FALSE(queue.Overflowed());
  EXPECT_EQ(queue.Close(), 1u);
}

TEST(OutgoingQueue, WhoComesAfterTheEndIsWokenAtOnce) {
  OutgoingQueue queue(10, 1000);
  queue.End("token revoked");
  int wakes = 0;
  queue.Start([&wakes] { ++wakes; });
  EXPECT_EQ(wakes, 1);
}

TEST(OutgoingQueue, EndAndAwaitSendingWaitForWhatIsLeaving) {
  OutgoingQueue queue(10, 1000);
  queue.AwaitSending();
  std::atomic<int> returned = 0;
  std::vector<std::thread> waiting;
  {
    const OutgoingQueue::Sending sending(&queue);
    waiting.emplace_back([&] {
      queue.End("token revoked");
      ++returned;
    });
    waiting.emplace_back([&] {
      queue.AwaitSending();
      ++returned;
    });
    // What waits is gone before that, so that the consumer finds nothing to go on with.
    while (!queue.EndReason()) std::this_thread::yield();
    EXPECT_EQ(returned, 0);
  }
  for (std::thread& thread : waiting) thread.join();
  EXPECT_EQ(returned, 2);
  queue.AwaitSending();
}

TEST(OutgoingQueue, ClosedQueueWakesNobody) {
  OutgoingQueue queue(10, 1000);
  int wakes = 0;
  queue.Start([&wakes] { ++wakes; });
  EXPECT_EQ(queue.Close(), 0u);
  EXPECT_EQ(queue.Offer(Text("a"), 1), bus::OfferResult::kClosed);
  EXPECT_EQ(wakes, 0);
}

}  // namespace
}  // namespace belfry::http
