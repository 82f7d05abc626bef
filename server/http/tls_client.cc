#include "server/http/tls_client.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "gtest/gtest.h"

namespace belfry::http {
namespace {

void CountKeyUpdates(int to_peer, int, int type, const void* bytes, std::size_t size, SSL*,
                     void* count) {
  if (to_peer == 0 && type == SSL3_RT_HANDSHAKE && size > 0 &&
      *static_cast<const unsigned char*>(bytes) == SSL3_MT_KEY_UPDATE) {
    ++*static_cast<int*>(count);
  }
}

}  // namespace

TlsClient::TlsClient(const Options& options) : context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX* const context = context_.get();
  // Below TLS 1.2 OpenSSL speaks only without its own demands.
  if (options.max_version < TLS1_2_VERSION) {
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
  }
  SSL_CTX_set_min_proto_version(context, std::min(options.min_version, options.max_version));
  SSL_CTX_set_max_proto_version(context, options.max_version);
  if (!options.protocols.empty()) {
    SSL_CTX_set_alpn_protos(context,
                            reinterpret_cast<const unsigned char*>(options.protocols.data()),
                            static_cast<unsigned>(options.protocols.size()));
  }
  if (options.own != nullptr) {
    EXPECT_EQ(SSL_CTX_use_certificate(context, options.own->x509.get()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey(context, options.own->key.get()), 1);
  }
  if (options.authority != nullptr) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), options.authority->x509.get());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  }
  ssl_.reset(SSL_new(context));
  in_ = BIO_new(BIO_s_mem());
  out_ = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl_.get(), in_, out_);
  SSL_set_msg_callback(ssl_.get(), &CountKeyUpdates);
  SSL_set_msg_callback_arg(ssl_.get(), &key_updates_);
  SSL_set_connect_state(ssl_.get());
  Advance();
}

void TlsClient::Receive(std::string_view bytes) {
  if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
  Advance();
}

std::string TlsClient::TakeOutgoing() {
  std::string bytes(BIO_ctrl_pending(out_), '\0');
  if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

void TlsClient::Write(std::string_view plaintext) {
  waiting_ += plaintext;
  Advance();
}

void TlsClient::Finish() {
  finishing_ = true;
  Advance();
}

std::string TlsClient::TakePlaintext() {
  return std::exchange(plaintext_, {});
}

std::string TlsClient::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

void TlsClient::Advance() {
  if (!error_.empty()) return;
  ERR_clear_error();
  if (!SSL_is_init_finished(ssl_.get())) {
    Note(SSL_do_handshake(ssl_.get()));
    if (!SSL_is_init_finished(ssl_.get()) || !error_.empty()) return;
  }
  if (!waiting_.empty()) {
    Note(SSL_write(ssl_.get(), waiting_.data(), static_cast<int>(waiting_.size())));
    waiting_.clear();
  }
  std::array<char, 16384> buffer;
  int size;
  while ((size = SSL_read(ssl_.get(), buffer.data(), buffer.size())) > 0) {
    plaintext_.append(buffer.data(), static_cast<std::size_t>(size));
  }
  Note(size);
  if (std::exchange(finishing_, false)) SSL_shutdown(ssl_.get());
}

void TlsClient::Note(int result) {
  if (result > 0) return;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return;
    case SSL_ERROR_ZERO_RETURN:
      finished_ = true;
      return;
    default:
      error_ = OpenSslReason();
  }
}

void TlsPeer::Send(std::string_view bytes) {
  client_.Write(bytes);
  SendOutgoing();
}

void TlsPeer::FinishSending() {
  client_.Finish();
  SendOutgoing();
  below_->FinishSending();
}

bool TlsPeer::SendOutgoing() {
  const std::string bytes = client_.TakeOutgoing();
  if (!bytes.empty()) below_->Send(bytes);
  return !bytes.empty();
}

bool TlsPeer::Pump() {
  bool moved = below_->Pump();
  const std::string received = below_->TakeReceived();
  if (!received.empty()) client_.Receive(received);
  moved = SendOutgoing() || moved;
  return moved || !received.empty();
}

bool TlsWire::SendOutgoing() {
  return wire_->Send(client_.TakeOutgoing());
}

ssize_t TlsWire::ReceiveMore() {
  std::array<char, 65536> buffer;
  const ssize_t size = wire_->Receive(buffer.data(), buffer.size());
  if (size > 0) client_.Receive({buffer.data(), static_cast<std::size_t>(size)});
  return size;
}

bool TlsWire::ShakeHands() {
  while (client_.error().empty()) {
    if (!SendOutgoing()) return false;
    if (client_.handshake_done()) return true;
    if (ReceiveMore() <= 0) return false;
  }
  return false;
}

bool TlsWire::Send(std::string_view bytes) {
  client_.Write(bytes);
  return ShakeHands();
}

void TlsWire::FinishSending() {
  client_.Finish();
  SendOutgoing();
  wire_->FinishSending();
}

ssize_t TlsWire::Receive(char* buffer, std::size_t size) {
  while (plaintext_.empty()) {
    plaintext_ = client_.TakePlaintext();
    if (!plaintext_.empty()) break;
    if (client_.finished()) return 0;
    if (!SendOutgoing()) return -1;
    if (const ssize_t received = ReceiveMore(); received <= 0) return received;
  }
  size = std::min(size, plaintext_.size());
  std::memcpy(buffer, plaintext_.data(), size);
  plaintext_.erase(0, size);
  return static_cast<ssize_t>(size);
}

}  // namespace belfry::http
