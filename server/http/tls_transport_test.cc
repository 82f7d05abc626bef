#include "server/http/tls_transport.h"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/errc.hpp>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/http/gather.h"
#include "server/http/session_fixture.h"
#include "server/http/test_certificates.h"
#include "server/http/tls_client.h"
#include "server/http/transport_contract.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const error_code kProtocolError = make_error_code(boost::system::errc::protocol_error);

// Made once: they cost much where sanitizers watch.
const TestCertificate& ServerCertificate() {
  static const TestCertificate certificate = MakeCertificate();
  return certificate;
}

// Connections with TLS over those of another world.
class TlsWorld final : public TransportWorld {
  const TestFolder folder_;

 public:
  using ConnectBelow = Ends (*)(asio::io_context&);

  explicit TlsWorld(ConnectBelow connect_below)
      : options(folder_.Write(ServerCertificate())), connect_below_(connect_below) {}

  // To be set before the first connection.
  const TestFolder& folder() const { return folder_; }
  TlsOptions options;
  TlsClient::Options client;
  int handshakes_at_once = 1;

  TlsListener& listener() {
    if (!listener_) {
      turns_.emplace(handshakes_at_once);
      listener_.emplace(*TlsContext::Load(options, &clock_, Logger()), &*turns_, *metrics_,
                        Logger(log_, "http"));
    }
    return *listener_;
  }
  std::uint64_t failures() { return listener().failed_handshakes.Value(); }
  std::vector<std::string> lines() const { return log_->Lines(); }

  Ends Connect(asio::io_context& io) override {
    Ends below = connect_below_(io);
    return {std::make_unique<TlsTransport>(std::move(below.transport), &listener()),
            std::make_unique<TlsPeer>(std::move(below.peer), client)};
  }

 private:
  const SystemClock clock_;
  const std::unique_ptr<Metrics> metrics_ = NewMetrics();
  const std::shared_ptr<RecordingLogSink> log_ = std::make_shared<RecordingLogSink>();
  const ConnectBelow connect_below_;
  std::optional<HandshakeTurns> turns_;
  std::optional<TlsListener> listener_;
};

TransportKind TlsKind(std::string name, std::string address, int version,
                      TlsWorld::ConnectBelow below) {
  return {std::move(name), std::move(address), [version, below] {
            auto world = std::make_unique<TlsWorld>(below);
            world->client.max_version = version;
            return world;
          }};
}

INSTANTIATE_TEST_SUITE_P(
    Tls, TransportContract,
    ::testing::Values(TlsKind("Tls12OverTcp", "127.0.0.1", TLS1_2_VERSION, ConnectThroughTcp),
                      TlsKind("Tls13OverTcp", "127.0.0.1", TLS1_3_VERSION, ConnectThroughTcp),
                      TlsKind("Tls12OverMemory", "192.0.2.1", TLS1_2_VERSION, ConnectThroughMemory),
                      TlsKind("Tls13OverMemory", "192.0.2.1", TLS1_3_VERSION,
                              ConnectThroughMemory)),
    ::testing::PrintToStringParamName());

// Over memory. A test may change the world before it connects.
class TlsTransportTest : public ::testing::Test {
 protected:
  TlsWorld world_{ConnectThroughMemory};
  std::optional<asio::io_context> io_{std::in_place};
  Ends ends_;
  std::string received_;

  ~TlsTransportTest() override { world_.listener().turns->Close(); }

  void Connect() { ends_ = world_.Connect(*io_); }
  Transport& transport() { return *ends_.transport; }
  TlsPeer& peer() { return static_cast<TlsPeer&>(*ends_.peer); }
  TlsClient& client() { return peer().client(); }

  // Runs all that there is to run.
  void Run() {
    for (bool moved = true; moved;) {
      moved = false;
      http::Poll(*io_);
      moved = peer().Pump();
      received_ += peer().TakeReceived();
    }
    http::Poll(*io_);
  }
  // What a read comes to; nothing while it is under way.
  struct Reading {
    std::string buffer = std::string(100'000, '\0');
    std::optional<error_code> error;
    std::string text;
  };
  std::shared_ptr<Reading> Read() {
    std::shared_ptr<Reading> reading = BeginRead();
    Run();
    return reading;
  }
  std::shared_ptr<Reading> BeginRead() {
    auto reading = std::make_shared<Reading>();
    transport().ReadSome(asio::buffer(reading->buffer),
                         [reading](error_code error, std::size_t size) {
                           reading->error = error;
                           reading->text = reading->buffer.substr(0, size);
                         });
    return reading;
  }
  std::optional<std::size_t> Write(std::string_view bytes) {
    Gather<1> gather(0);
    gather.Add(bytes);
    return transport().WriteSome(gather.pieces());
  }
  // Connects and shakes hands.
  void Establish() {
    Connect();
    std::optional<error_code> waited;
    transport().AwaitWritable([&](error_code error) { waited = error; });
    Run();
    ASSERT_EQ(waited, error_code());
    ASSERT_TRUE(client().handshake_done());
  }
  // Connects and fails; what the client is told.
  std::string Refused() {
    Connect();
    EXPECT_EQ(Read()->error, kProtocolError);
    EXPECT_EQ(Write("x"), std::nullopt);
    EXPECT_EQ(world_.failures(), 1u);
    EXPECT_TRUE(peer().below().finished());
    return client().error();
  }
};

TEST_F(TlsTransportTest, SpeaksTheNewestVersionThatBothAllow) {
  Establish();
  EXPECT_EQ(client().version(), TLS1_3_VERSION);
  world_.client.max_version = TLS1_2_VERSION;
  Establish();
  EXPECT_EQ(client().version(), TLS1_2_VERSION);
}

TEST_F(TlsTransportTest, RefusesTls11) {
  world_.client.max_version = TLS1_1_VERSION;
  EXPECT_EQ(Refused(), "tlsv1 alert protocol version");
  EXPECT_THAT(world_.lines(), Contains(AllOf(HasSubstr("a TLS handshake has failed"),
                                             HasSubstr("remote_address=192.0.2.1"),
                                             HasSubstr("reason=unsupported protocol"))));
}

TEST_F(TlsTransportTest, RefusesTls12WhereThatIsTooOld) {
  world_.options.min_version = TlsVersion::k13;
  world_.client.max_version = TLS1_2_VERSION;
  EXPECT_EQ(Refused(), "tlsv1 alert protocol version");
}

TEST_F(TlsTransportTest, RefusesTls13WhereThatIsTooNew) {
  world_.options.max_version = TlsVersion::k12;
  world_.client.min_version = TLS1_3_VERSION;
  EXPECT_EQ(Refused(), "tlsv1 alert protocol version");
}

TEST_F(TlsTransportTest, SpeaksHttp11AndNoOtherProtocol) {
  Establish();
  EXPECT_EQ(client().protocol(), "");
  world_.client.protocols = "\x02h2\x08http/1.1";
  Establish();
  EXPECT_EQ(client().protocol(), "http/1.1");
  world_.client.protocols = "\x02h2";
  EXPECT_EQ(Refused(), "tlsv1 alert no application protocol");
}

TEST_F(TlsTransportTest, GivesNoTickets) {
  Establish();
  EXPECT_EQ(Write("x"), 1u);
  Run();
  EXPECT_EQ(received_, "x");
  EXPECT_EQ(SSL_SESSION_is_resumable(SSL_get0_session(client().ssl())), 0);
}

class ClientCertificateTest : public TlsTransportTest {
 protected:
  const TestCertificate authority_ = MakeCertificate({.name = "authority"});
  const TestCertificate known_ = MakeCertificate({.name = "known", .issuer = &authority_});
  const TestCertificate unknown_ = MakeCertificate({.name = "unknown"});

  void Ask(TlsOptions::WithoutCertificate without) {
    world_.options.client_ca_file = world_.folder().Write("clients.pem", authority_.Pem());
    world_.options.without_certificate = without;
  }
};

TEST_F(ClientCertificateTest, IsNotAskedForByDefault) {
  world_.client.own = &unknown_;
  Establish();
}

TEST_F(ClientCertificateTest, OfTheAuthorityIsAccepted) {
  Ask(TlsOptions::WithoutCertificate::kRefused);
  world_.client.own = &known_;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    world_.client.max_version = version;
    Establish();
  }
}

TEST_F(ClientCertificateTest, OfAnotherIsRefusedEvenWhereNoneIsNeeded) {
  Ask(TlsOptions::WithoutCertificate::kServed);
  world_.client.own = &unknown_;
  EXPECT_THAT(Refused(), HasSubstr("alert"));
  EXPECT_THAT(world_.lines(), Contains(HasSubstr("reason=certificate verify failed: ")));
}

TEST_F(ClientCertificateTest, IsNotNeededWhereItIsOnlyVerified) {
  Ask(TlsOptions::WithoutCertificate::kServed);
  Establish();
}

TEST_F(ClientCertificateTest, IsNeededWhereItIsRequired) {
  Ask(TlsOptions::WithoutCertificate::kRefused);
  EXPECT_THAT(Refused(), HasSubstr("certificate required"));
}

TEST_F(TlsTransportTest, WritesNothingBeforeTheHandshakeWhichTheWaitLeadsThrough) {
  Connect();
  EXPECT_EQ(Write("early"), 0u);
  std::optional<error_code> waited;
  transport().AwaitWritable([&](error_code error) { waited = error; });
  Run();
  EXPECT_EQ(waited, error_code());
  EXPECT_EQ(Write("then"), 4u);
  Run();
  EXPECT_EQ(received_, "then");
}

// How many records there are, by their headers.
std::size_t Records(std::string_view bytes) {
  std::size_t count = 0;
  while (bytes.size() >= 5) {
    const std::size_t size =
        static_cast<unsigned char>(bytes[3]) << 8 | static_cast<unsigned char>(bytes[4]);
    bytes.remove_prefix(std::min(bytes.size(), 5 + size));
    ++count;
  }
  return count;
}

TEST_F(TlsTransportTest, TheFramesOfABatchLeaveInFewRecords) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    world_.client.max_version = version;
    Establish();
    const std::string frame(300, 'f');
    Gather<1000> gather(0);
    for (int i = 0; i < 1000; ++i) gather.Add(frame);
    EXPECT_EQ(transport().WriteSome(gather.pieces()), 300'000u);
    const std::string bytes = peer().below().TakeReceived();
    EXPECT_EQ(Records(bytes), 19u);  // 300,000 bytes, of which each has 16,384.
    client().Receive(bytes);
    EXPECT_EQ(client().TakePlaintext(), std::string(300'000, 'f'));
  }
}

TEST_F(TlsTransportTest, OfASlowReaderLittleIsHeld) {
  Establish();
  peer().Stall();
  const std::string much(1'000'000, 'x');
  std::size_t taken = 0;
  while (const std::size_t size = Write(much).value()) taken += size;
  // What the network has taken, and one turn of records.
  EXPECT_LE(taken, 100'000u + 65'536u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Write(much), 0u);
  peer().Resume();
  Run();
  EXPECT_EQ(received_.size(), taken);
}

TEST_F(TlsTransportTest, APeerThatHasItAnswerIsReadFromAgainOnceItReads) {
  constexpr std::size_t kUpdates = 6000;
  Establish();
  peer().Stall();
  while (Write(std::string(100'000, 'x')).value() > 0) continue;
  for (std::size_t i = 0; i < kUpdates; ++i) {
    ASSERT_EQ(SSL_key_update(client().ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    client().Write("k");
  }
  peer().below().Send(client().TakeOutgoing());
  for (std::size_t read = 0; read < kUpdates;) {
    const std::shared_ptr<Reading> reading = Read();
    if (!reading->error) {
      peer().Resume();
      Run();
    }
    ASSERT_EQ(reading->error, error_code()) << read;
    read += reading->text.size();
  }
}

TEST_F(TlsTransportTest, ACutOffStreamIsAnErrorAndNotAnEnd) {
  Establish();
  client().Write("some");
  peer().below().Send(client().TakeOutgoing());
  peer().below().FinishSending();
  EXPECT_EQ(Read()->text, "some");
  EXPECT_EQ(Read()->error, asio::error::connection_aborted);
}

TEST_F(TlsTransportTest, AHandshakeThatIsCutOffHasFailed) {
  Connect();
  const std::string hello = client().TakeOutgoing();
  peer().below().Send(std::string_view(hello).substr(0, hello.size() / 2));
  peer().below().FinishSending();
  EXPECT_EQ(Read()->error, kProtocolError);
  EXPECT_EQ(world_.failures(), 1u);
  EXPECT_THAT(world_.lines(), Contains(HasSubstr("the client ended the connection")));
}

TEST_F(TlsTransportTest, AConnectionThatOnlyLooksWhetherSomebodyListensHasNotFailed) {
  Connect();
  client().TakeOutgoing();
  peer().below().FinishSending();
  EXPECT_EQ(Read()->error, asio::error::eof);
  EXPECT_EQ(world_.failures(), 0u);
}

TEST_F(TlsTransportTest, WhatIsNoRecordIsAProtocolErrorOfWhichTheClientIsTold) {
  Establish();
  peer().below().Send("no record at all");
  EXPECT_EQ(Read()->error, kProtocolError);
  EXPECT_EQ(Write("x"), std::nullopt);
  EXPECT_THAT(client().error(), HasSubstr("alert"));
  EXPECT_EQ(world_.failures(), 0u);
}

TEST_F(TlsTransportTest, PlainHttpIsAnsweredInTheClear) {
  for (const std::string_view request :
       {"GET / HTTP/1.1\r\n\r\n", "LIST /v1/secret HTTP/1.1\r\nHost: a\r\n\r\n", "P"}) {
    Connect();
    client().TakeOutgoing();
    peer().below().Send(request);
    std::optional<error_code> read;
    std::string buffer(100, '\0');
    transport().ReadSome(asio::buffer(buffer),
                         [&](error_code error, std::size_t) { read = error; });
    http::Poll(*io_);
    EXPECT_EQ(read, kProtocolError);
    EXPECT_EQ(peer().below().TakeReceived(),
              "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n");
    EXPECT_TRUE(peer().below().finished());
  }
  EXPECT_EQ(world_.failures(), 3u);
}

TEST_F(TlsTransportTest, BytesThatComeOneByOneAreEnough) {
  Connect();
  const std::shared_ptr<Reading> reading = BeginRead();
  client().Write("hello");
  for (int i = 0; i < 10'000 && !reading->error; ++i) {
    const std::string bytes = client().TakeOutgoing();
    for (const char byte : bytes) {
      peer().below().Send({&byte, 1});
      http::Poll(*io_);
    }
    client().Receive(peer().below().TakeReceived());
  }
  EXPECT_EQ(reading->text, "hello");
}

TEST_F(TlsTransportTest, RenegotiationIsRefused) {
  world_.client.max_version = TLS1_2_VERSION;
  Establish();
  ASSERT_EQ(SSL_renegotiate(client().ssl()), 1);
  client().Write("x");
  const std::shared_ptr<Reading> reading = Read();
  EXPECT_EQ(reading->text, "");
  EXPECT_EQ(client().error(), "no renegotiation");
}

TEST_F(TlsTransportTest, NewKeysOfTheClientAreTakenAndAnswered) {
  Establish();
  ASSERT_EQ(SSL_key_update(client().ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  client().Write("with a new key");
  EXPECT_EQ(Read()->text, "with a new key");
  EXPECT_EQ(Write("likewise"), 8u);
  Run();
  EXPECT_EQ(received_, "likewise");
  EXPECT_EQ(client().key_updates(), 1);
}

TEST_F(TlsTransportTest, EncryptsWithANewKeyAfterManyRecords) {
  world_.listener().max_records_per_key = 3;
  for (const auto& [version, updates] :
       {std::pair(TLS1_3_VERSION, 3), std::pair(TLS1_2_VERSION, 0)}) {
    world_.client.max_version = version;
    Establish();
    received_.clear();
    for (int i = 0; i < 10; ++i) EXPECT_EQ(Write("x"), 1u);
    Run();
    EXPECT_EQ(received_, "xxxxxxxxxx");
    EXPECT_EQ(client().key_updates(), updates);
  }
}

TEST_F(TlsTransportTest, FailuresAreWrittenAFewTimesAndCountedAlways) {
  for (int i = 0; i < 30; ++i) {
    Connect();
    peer().below().Send(std::string_view("\x16\x03\x01\x00\x05hello", 10));
    EXPECT_EQ(Read()->error, kProtocolError);
  }
  EXPECT_EQ(world_.failures(), 30u);
  EXPECT_LE(world_.lines().size(), 20u);
  EXPECT_GE(world_.lines().size(), 10u);
}

TEST_F(TlsTransportTest, MayBeClosedWhileItsHandshakeWaitsForItsTurn) {
  world_.handshakes_at_once = 0;
  Connect();
  const std::shared_ptr<Reading> reading = Read();
  EXPECT_FALSE(reading->error);
  transport().Close();
  Run();
  EXPECT_EQ(reading->error, asio::error::operation_aborted);
}

// As a session: it owns the transport, and the transport's handler owns it.
struct Owner {
  std::unique_ptr<Transport> transport;
  std::array<char, 100> buffer;
};

std::weak_ptr<Owner> Own(std::unique_ptr<Transport> transport) {
  auto owner = std::make_shared<Owner>();
  owner->transport = std::move(transport);
  owner->transport->ReadSome(asio::buffer(owner->buffer), [owner](error_code, std::size_t) {});
  return owner;
}

TEST(TlsTransport, ItsHandlersGoWithTheIoContext) {
  for (const int handshakes : {0, 1}) {
    TlsWorld world(ConnectThroughTcp);
    world.handshakes_at_once = handshakes;
    std::optional<asio::io_context> io(std::in_place);
    std::vector<std::weak_ptr<Owner>> owners;
    std::vector<std::unique_ptr<Peer>> peers;
    // One has just begun, one waits for the client or for its turn.
    for (const bool begun : {false, true}) {
      Ends ends = world.Connect(*io);
      owners.push_back(Own(std::move(ends.transport)));
      peers.push_back(std::move(ends.peer));
      if (begun) peers.back()->Pump();
      Poll(*io);
    }
    for (const auto& owner : owners) EXPECT_FALSE(owner.expired());
    peers.clear();
    world.listener().turns->Close();
    io.reset();
    for (const auto& owner : owners) EXPECT_TRUE(owner.expired());
  }
}

// What a client sends first, changed at random; or nothing like it.
TEST_F(TlsTransportTest, RandomBytesEndTheConnectionAndNothingElse) {
  std::mt19937 random(20240613);
  const auto below = [&random](std::size_t bound) { return random() % bound; };
  for (int round = 0; round < 600; ++round) {
    Connect();
    std::string bytes = client().TakeOutgoing();
    switch (round % 3) {
      case 0:  // Some bytes of a ClientHello are others.
        for (std::size_t i = 0; i <= below(8); ++i) bytes[below(bytes.size())] = char(random());
        break;
      case 1:  // A record of a handshake, with anything in it.
        bytes.assign(5 + below(600), '\0');
        for (char& byte : bytes) byte = char(random());
        bytes.replace(0, 3, "\x16\x03\x01", 3);
        bytes[3] = 0;
        break;
      default:
        bytes.assign(1 + below(600), '\0');
        for (char& byte : bytes) byte = char(random());
    }
    const std::size_t cut = below(bytes.size());
    peer().below().Send(bytes.substr(0, cut));
    const std::shared_ptr<Reading> reading = Read();
    peer().below().Send(bytes.substr(cut));
    peer().below().FinishSending();
    http::Poll(*io_);
    ASSERT_TRUE(reading->error.has_value()) << round;
    EXPECT_TRUE(*reading->error) << round;
  }
}

TEST_F(TlsTransportTest, RandomBytesAfterTheHandshakeEndTheConnectionAndNothingElse) {
  std::mt19937 random(20240613);
  for (int round = 0; round < 100; ++round) {
    world_.client.max_version = round % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    Establish();
    client().Write(std::string(1 + random() % 1000, 'x'));
    std::string bytes = client().TakeOutgoing();
    bytes[random() % bytes.size()] ^= char(1 + random() % 255);
    peer().below().Send(bytes);
    peer().below().FinishSending();
    const std::shared_ptr<Reading> reading = Read();
    ASSERT_TRUE(reading->error.has_value()) << round;
    EXPECT_TRUE(*reading->error) << round;
  }
}

}  // namespace
}  // namespace belfry::http
