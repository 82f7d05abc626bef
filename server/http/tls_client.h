#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/http/openssl.h"
#include "server/http/raw_client.h"
#include "server/http/test_certificates.h"
#include "server/http/transport_contract.h"

// TLS clients for tests.

namespace belfry::http {

// The client's end of a TLS connection: bytes go in and come out, and nothing is waited for. Not
// thread-safe.
class TlsClient final {
 public:
  struct Options {
    int min_version = TLS1_2_VERSION;
    int max_version = TLS1_3_VERSION;
    // What it offers by ALPN, each name with its length before it.
    std::string protocols = "";
    const TestCertificate* own = nullptr;
    // Whose signature the server's certificate must have; null: it may be anybody's.
    const TestCertificate* authority = nullptr;
  };

  explicit TlsClient(const Options& options);

  // What the network has brought.
  void Receive(std::string_view bytes);
  // What is to be brought to the server.
  std::string TakeOutgoing();
  // Goes out once the handshake is done.
  void Write(std::string_view plaintext);
  // Sends a close_notify once the handshake is done.
  void Finish();
  std::string TakePlaintext();

  bool handshake_done() const { return SSL_is_init_finished(ssl_.get()) == 1 && error_.empty(); }
  // Whether the server has sent a close_notify.
  bool finished() const { return finished_; }
  // Why the connection is broken; empty: it is not.
  const std::string& error() const { return error_; }
  int version() const { return SSL_version(ssl_.get()); }
  std::string cipher() const { return SSL_get_cipher_name(ssl_.get()); }
  // What ALPN has come to.
  std::string protocol() const;
  // The server's certificate.
  const X509* peer_certificate() const { return SSL_get0_peer_certificate(ssl_.get()); }
  // How often the server has changed its key.
  int key_updates() const { return key_updates_; }
  SSL* ssl() { return ssl_.get(); }

 private:
  void Advance();
  void Note(int result);

  OpenSslPtr<SSL_CTX> context_;
  OpenSslPtr<SSL> ssl_;
  BIO* in_ = nullptr;  // The SSL's.
  BIO* out_ = nullptr;
  std::string waiting_;  // For the end of the handshake.
  bool finishing_ = false;
  bool finished_ = false;
  std::string plaintext_;
  std::string error_;
  int key_updates_ = 0;
};

// A peer with TLS over another one's bytes.
class TlsPeer final : public Peer {
 public:
  TlsPeer(std::unique_ptr<Peer> below, const TlsClient::Options& options)
      : below_(std::move(below)), client_(options) {}

  TlsClient& client() { return client_; }
  Peer& below() { return *below_; }

  void Send(std::string_view bytes) override;
  void FinishSending() override;
  void Reset() override { below_->Reset(); }
  void Stall() override { below_->Stall(); }
  void Resume() override { below_->Resume(); }
  bool Pump() override;
  std::string TakeReceived() override { return client_.TakePlaintext(); }
  bool finished() const override { return client_.finished() && below_->finished(); }

 private:
  bool SendOutgoing();

  const std::unique_ptr<Peer> below_;
  TlsClient client_;
};

// A connection to this machine with TLS, for RawClient.
class TlsWire final : public ClientWire {
 public:
  explicit TlsWire(std::uint16_t port, const TlsClient::Options& options = {},
                   int receive_buffer = 0)
      : wire_(ConnectTcp(port, receive_buffer)), client_(options) {}

  // Whether the handshake comes to its end.
  bool ShakeHands();
  TlsClient& client() { return client_; }

  bool connected() const override { return wire_->connected(); }
  bool Send(std::string_view bytes) override;
  void FinishSending() override;
  ssize_t Receive(char* buffer, std::size_t size) override;

 private:
  bool SendOutgoing();
  ssize_t ReceiveMore();

  const std::unique_ptr<ClientWire> wire_;
  TlsClient client_;
  std::string plaintext_;
};

}  // namespace belfry::http
