#include "tests/bench/tls_stream.h"

#include <unistd.h>

#include <string_view>
#include <utility>

namespace belfry::bench {
namespace {

SSL_CTX* Context() {
  static SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  return context;
}

}  // namespace

class TlsConnection::Decrypting final : public MessageCounter {
 public:
  Decrypting(std::unique_ptr<SSL, Free> tls, std::unique_ptr<MessageCounter> counter)
      : tls_(std::move(tls)), counter_(std::move(counter)) {}

  std::uint64_t Count(std::string_view bytes) override {
    // Read where they are: OpenSSL keeps what it has of a record that is not yet whole.
    BIO* const received = BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size()));
    BIO_set_mem_eof_return(received, -1);
    SSL_set0_rbio(tls_.get(), received);
    std::uint64_t messages = 0;
    char plain[16 * 1024];
    for (int size; (size = SSL_read(tls_.get(), plain, sizeof plain)) > 0;)
      messages += counter_->Count({plain, static_cast<std::size_t>(size)});
    return messages;
  }

 private:
  const std::unique_ptr<SSL, Free> tls_;
  const std::unique_ptr<MessageCounter> counter_;
};

TlsConnection::TlsConnection(std::uint16_t port)
    : socket_(ConnectTo(port)), tls_(SSL_new(Context())) {
  SSL_set_fd(tls_.get(), socket_);
  if (SSL_connect(tls_.get()) != 1) Die("no TLS connection");
}

TlsConnection::~TlsConnection() {
  if (tls_) close(socket_);
}

Stream TlsConnection::stream() {
  return {.send =
              [this](std::string_view bytes) {
                if (SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size())) <= 0)
                  Die("the server closed a connection");
              },
          .receive = [this](char* buffer, std::size_t size) -> std::size_t {
            const int received = SSL_read(tls_.get(), buffer, static_cast<int>(size));
            if (received <= 0) Die("the server closed a connection");
            return received;
          }};
}

std::unique_ptr<MessageCounter> TlsConnection::ReadBy(std::unique_ptr<MessageCounter> counter) && {
  return std::make_unique<Decrypting>(std::move(tls_), std::move(counter));
}

}  // namespace belfry::bench
