#include "server/http/listener.h"

#include <boost/asio/post.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"
#include "server/http/http_session.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptRetry{50};
// What waits to be accepted has a turn with every connection on which something has come: one at a
// time a long queue would take as many rounds, and newcomers wait behind it.
constexpr int kAcceptsPerTurn = 64;

// What a vanished peer does not take ends the connection.
std::chrono::milliseconds UserTimeout(const Limits& limits) {
  return absl::ToChronoMilliseconds(2 * limits.ping_interval);
}

}  // namespace

Listener::Listener(asio::io_context& io, SessionContext* context, ListenOptions options,
                   TlsListener* tls)
    : io_(io),
      context_(context),
      options_(std::move(options)),
      tls_(tls),
      strand_(asio::make_strand(io)),
      acceptor_(strand_),
      retry_timer_(strand_) {}

absl::Status Listener::Open() {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options_.address, error);
  const tcp::endpoint endpoint(address, options_.port);
  if (!error) acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor_.non_blocking(true, error);
  if (!error) port_ = acceptor_.local_endpoint(error).port();
  if (!error) return absl::OkStatus();
  return absl::UnavailableError(Concat({"cannot listen on ", options_.address, ":",
                                        std::to_string(options_.port), ": ", error.message()}));
}

void Listener::StartAccepting() {
  asio::post(strand_, [this] { Accept(); });
}

void Listener::StopAccepting() {
  asio::post(strand_, [this] {
    closing_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    retry_timer_.cancel();
  });
}

void Listener::Accept() {
  if (closing_) return;
  Strand strand = asio::make_strand(io_);
  acceptor_.async_accept(strand, [this](error_code error, Socket socket) {
    if (closing_) return;
    if (!error) {
      Begin(std::move(socket));
      error = AcceptMore();
    }
    if (error) {
      OnAcceptError(error);
    } else {
      Accept();
    }
  });
}

error_code Listener::AcceptMore() {
  // Those who make room for others need a turn to leave.
  for (int accepted = 1; accepted < kAcceptsPerTurn && context_->connections.HasRoom();
       ++accepted) {
    Socket socket(asio::make_strand(io_));
    error_code error;
    acceptor_.accept(socket, error);
    if (error == asio::error::would_block) break;
    if (error) return error;
    Begin(std::move(socket));
  }
  return {};
}

void Listener::Begin(Socket socket) {
  const Connections::Admission admission = context_->connections.Admit();
  if (admission == Connections::Admission::kDropped) return;
  const bool served = admission == Connections::Admission::kServed;
  if (!served) {
    Warn(refusal_lines_, "too many connections; those above the limit get 503");
  }
  const Strand strand = socket.get_executor();
  auto session = std::make_shared<HttpSession>(
      context_, NewTransport(std::move(socket)), options_,
      served ? Connections::Stay::kUsual : Connections::Stay::kLeaving);
  asio::post(strand, [session = std::move(session), served] {
    if (served) {
      session->Start();
    } else {
      session->StartRefused();
    }
  });
}

std::unique_ptr<Transport> Listener::NewTransport(Socket socket) {
  auto tcp = std::make_unique<TcpTransport>(std::move(socket), UserTimeout(context_->limits));
  if (tls_ == nullptr) return tcp;
  return std::make_unique<TlsTransport>(std::move(tcp), tls_);
}

void Listener::Warn(LogThrottle& lines, std::string_view what) {
  if (const std::optional<std::uint64_t> left_out = lines.Take()) {
    context_->logger.Warn(what, {{"suppressed", std::to_string(*left_out)}});
  }
}

// Most often there are no descriptors left, and trying again at once would only burn the processor.
void Listener::OnAcceptError(error_code error) {
  Warn(accept_error_lines_, Concat({"cannot accept a connection: ", error.message()}));
  context_->connections.EvictOne();
  retry_timer_.expires_after(kAcceptRetry);
  retry_timer_.async_wait([this](error_code cancelled) {
    if (!cancelled) Accept();
  });
}

}  // namespace belfry::http
