// What clients see of a server that speaks TLS.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/server_fixture.h"
#include "server/http/test_certificates.h"
#include "server/http/tls_client.h"

namespace belfry::http {
namespace {

using ::testing::HasSubstr;

class TlsServerTest : public ServerTest {
 protected:
  const TestFolder folder_;
  const TestCertificate authority_ = MakeCertificate({.name = "authority"});
  const TestCertificate certificate_ = MakeCertificate({.issuer = &authority_});

  TlsServerTest() { tls() = folder_.Write(certificate_); }

  std::optional<TlsOptions>& tls() { return options_.listeners[0].tls; }

  std::unique_ptr<TlsWire> Connect(int receive_buffer = 0) {
    auto wire = std::make_unique<TlsWire>(
        server_->Port(), TlsClient::Options{.authority = &authority_}, receive_buffer);
    EXPECT_TRUE(wire->ShakeHands()) << wire->client().error();
    return wire;
  }
  std::string Ask(RawClient& client) {
    client.Send(Request("PUT /a", "", "body"));
    return client.ReadResponse().body;
  }
};

TEST_F(TlsServerTest, OneConnectionCarriesManyRequests) {
  Start();
  RawClient client(Connect());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Ask(client), "PUT /a 4");
  EXPECT_EQ(api_.LastRequest().remote_address, "127.0.0.1");
}

TEST_F(TlsServerTest, LargeBodiesArriveBothWays) {
  api_.answer = [](const api::HttpRequest& request, FakeApi::Respond respond) {
    respond(api::HttpResponse{200, {}, request.body});
  };
  Start();
  RawClient client(Connect());
  std::string body;
  while (body.size() < 9 << 20) body += std::to_string(body.size());
  // The answer begins when all has been sent.
  ASSERT_TRUE(client.Send(Request("PUT /big", "", body)));
  EXPECT_TRUE(client.ReadResponse().body == body);
}

// Although OpenSSL's clients offer AES-256 first.
TEST_F(TlsServerTest, TheServerChoosesTheCipher) {
  Start();
  EXPECT_EQ(Connect()->client().cipher(), "TLS_AES_128_GCM_SHA256");
  TlsWire older(server_->Port(), {.max_version = TLS1_2_VERSION, .authority = &authority_}, 0);
  ASSERT_TRUE(older.ShakeHands()) << older.client().error();
  EXPECT_EQ(older.client().cipher(), "ECDHE-ECDSA-AES128-GCM-SHA256");
}

TEST_F(TlsServerTest, TheConnectionEndsWithACloseNotify) {
  Start();
  std::unique_ptr<TlsWire> wire = Connect();
  TlsClient& tls = wire->client();
  RawClient client(std::move(wire));
  client.Send(Request("GET /a", "Connection: close\r\n"));
  EXPECT_EQ(client.ReadResponse().status, 200);
  EXPECT_TRUE(client.Ended());
  EXPECT_TRUE(tls.finished());
}

TEST_F(TlsServerTest, PlainHttpIsAnsweredInTheClear) {
  Start();
  RawClient client(server_->Port());
  client.Send(Request("GET /v1/sys/health"));
  EXPECT_EQ(client.ReadResponse().head, "HTTP/1.0 400 Bad Request\r\n");
  EXPECT_FALSE(client.Ended());  // There is a body.
}

TEST_F(TlsServerTest, SubscribersGetEventsInOrder) {
  Start();
  RawClient client(Connect());
  ASSERT_EQ(Upgrade(client).status, 101);
  const std::shared_ptr<subscriptions::Subscriber> sink = api_.Sink(0);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(sink->Offer(Text(std::to_string(i) + std::string(i % 200, '.')), 1),
              bus::OfferResult::kAccepted);
  }
  for (int i = 0; i < 5000; ++i) {
    const std::optional<RawClient::Frame> frame = client.ReadFrame();
    ASSERT_TRUE(frame.has_value()) << i;
    ASSERT_EQ(frame->payload, std::to_string(i) + std::string(i % 200, '.'));
  }
  client.SendFrame(9, "are you there");
  EXPECT_EQ(client.ReadFrame().value().payload, "are you there");
  sink->End("token revoked");
  EXPECT_EQ(CloseText(client.ReadFrame().value()), "1000 token revoked");
  client.SendFrame(8, "\x03\xe8");
  EXPECT_TRUE(client.Ended());
}

TEST_F(TlsServerTest, SlowSubscriberIsClosedNotWaitedFor) {
  options_.limits.max_queued_frames = 100;
  options_.limits.max_queued_bytes = 1 << 20;
  Start();
  RawClient slow(Connect());
  ASSERT_EQ(Upgrade(slow).status, 101);
  const std::shared_ptr<subscriptions::Subscriber> sink = api_.Sink(0);
  std::size_t accepted = 0;
  while (sink->Offer(Text(std::to_string(accepted) + std::string(100000, 's')), 1) ==
         bus::OfferResult::kAccepted) {
    ++accepted;
  }
  api_.WaitForEndedSubscriptions(1);
  std::size_t received = 0;
  std::optional<RawClient::Frame> frame;
  while ((frame = slow.ReadFrame()) && frame->opcode == 1) {
    EXPECT_THAT(frame->payload, ::testing::StartsWith(std::to_string(received++) + "s"));
  }
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(CloseText(*frame), "1013 subscriber is too slow; events were missed");
  EXPECT_TRUE(slow.Ended());
  EXPECT_EQ(metrics_->GetCounter("belfry_websocket_frames_sent_total", "").Value(), received);
}

TEST_F(TlsServerTest, WhatIsForbiddenMeanwhileIsNotSentAndTheRestIs) {
  options_.limits.max_queued_bytes = 1 << 30;
  Start();
  RawClient client(Connect());
  ASSERT_EQ(Upgrade(client).status, 101);
  const std::shared_ptr<subscriptions::Subscriber> sink = api_.Sink(0);
  // More than the network takes from a subscriber that does not read.
  constexpr int kTooMany = 3000;
  for (int i = 0; i < kTooMany; ++i) {
    sink->Offer(Text(std::to_string(i) + std::string(20000, 's'), "secret"), 1);
  }
  api_.Forbid("secret");
  sink->AwaitSending();
  EXPECT_EQ(sink->Offer(Text("open", "open"), 2), bus::OfferResult::kAccepted);
  int received = 0;
  std::optional<RawClient::Frame> frame;
  while ((frame = client.ReadFrame()) && frame->payload != "open") {
    if (frame->opcode == 1) ++received;  // And not a ping.
  }
  EXPECT_TRUE(frame.has_value());
  EXPECT_LT(received, kTooMany);
  EXPECT_EQ(received + metrics_->GetCounter("belfry_websocket_frames_dropped_total", "").Value(),
            std::uint64_t{kTooMany});
}

TEST_F(TlsServerTest, AReloadKeepsSubscribersAndGivesNewConnectionsTheNewCertificate) {
  Start();
  RawClient subscriber(Connect());
  ASSERT_EQ(Upgrade(subscriber).status, 101);
  RawClient client(Connect());
  const TestCertificate next = MakeCertificate({.name = "next", .issuer = &authority_});
  folder_.Write(next);
  EXPECT_EQ(server_->ReloadCertificates(), absl::OkStatus());
  EXPECT_EQ(X509_cmp(Connect()->client().peer_certificate(), next.x509.get()), 0);
  EXPECT_EQ(Ask(client), "PUT /a 4");
  EXPECT_EQ(api_.Sink(0)->Offer(Text("still here"), 1), bus::OfferResult::kAccepted);
  EXPECT_EQ(subscriber.ReadFrame().value().payload, "still here");
}

TEST_F(TlsServerTest, AReloadThatFailsKeepsTheCertificateAndSaysWhy) {
  Start();
  folder_.Write("server.pem", "");
  const absl::Status status = server_->ReloadCertificates();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.ToString(), HasSubstr("server.pem holds no certificate in PEM form"));
  EXPECT_EQ(X509_cmp(Connect()->client().peer_certificate(), certificate_.x509.get()), 0);
}

TEST_F(TlsServerTest, WithoutTlsAReloadHasNothingToDo) {
  tls().reset();
  Start();
  EXPECT_EQ(server_->ReloadCertificates(), absl::OkStatus());
}

TEST_F(TlsServerTest, DoesNotStartWithoutItsCertificate) {
  options_.listeners[0].port = 0;
  tls()->certificate_file = folder_.path("gone.pem");
  EXPECT_EQ(Server::Start(options_, &api_, metrics_.get(), Logger()).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(TlsServerTest, ClientsThatConnectTogetherAreAllServed) {
  constexpr int kClients = 12;
  Start();
  std::atomic<int> served = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      auto wire = std::make_unique<TlsWire>(server_->Port());
      if (!wire->ShakeHands()) return;
      RawClient client(std::move(wire));
      if (Ask(client) == "PUT /a 4") ++served;
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(served, kClients);
}

TEST_F(TlsServerTest, EndsAlthoughAHandshakeIsUnderWay) {
  options_.shutdown_grace = absl::Seconds(60);
  Start();
  RawClient half(server_->Port());
  half.Send("\x16\x03\x01");
  RawClient nothing(server_->Port());
  RawClient subscriber(Connect());
  ASSERT_EQ(Upgrade(subscriber).status, 101);
  std::thread ender([this] { server_.reset(); });
  EXPECT_EQ(CloseText(subscriber.ReadFrame().value()), "1001 server is shutting down");
  subscriber.SendFrame(8, "\x03\xe9");
  EXPECT_TRUE(subscriber.Ended());
  EXPECT_TRUE(half.Ended());
  EXPECT_TRUE(nothing.Ended());
  ender.join();
}

TEST_F(TlsServerTest, TooManyConnectionsAreRefusedOverTls) {
  options_.limits.max_connections = 1;
  Start();
  RawClient first(Connect());
  ASSERT_EQ(Upgrade(first).status, 101);
  RawClient second(Connect());
  EXPECT_EQ(second.ReadResponse().status, 503);
}

}  // namespace
}  // namespace belfry::http
