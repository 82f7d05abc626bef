#include "server/http/server.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "server/base/text.h"
#include "server/http/connections.h"
#include "server/http/http_session.h"
#include "server/http/session_context.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptRetry{50};

class ServerImpl final : public Server {
 public:
  ServerImpl(api::Api* api, const Options& options, Metrics& metrics, Logger logger)
      : shutdown_grace_(options.shutdown_grace),
        context_(api, options.limits, metrics, std::move(logger)),
        io_(options.threads),
        work_(asio::make_work_guard(io_)),
        accept_strand_(asio::make_strand(io_)),
        acceptor_(accept_strand_),
        retry_timer_(accept_strand_) {}

  ~ServerImpl() override {
    // The lambdas below are gone when the threads have been joined.
    asio::post(accept_strand_, [this] {
      closing_ = true;
      error_code ignored;
      acceptor_.close(ignored);
      retry_timer_.cancel();
    });
    context_.connections.ShutDown(std::chrono::steady_clock::now() +
                                  absl::ToChronoNanoseconds(shutdown_grace_));
    work_.reset();
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    context_.connections.CloseMailboxes();
  }

  absl::Status Listen(const Options& options) {
    error_code error;
    const asio::ip::address address = asio::ip::make_address(options.address, error);
    const tcp::endpoint endpoint(address, options.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) port_ = acceptor_.local_endpoint(error).port();
    if (!error) return absl::OkStatus();
    return absl::UnavailableError(Concat({"cannot listen on ", options.address, ":",
                                          std::to_string(options.port), ": ", error.message()}));
  }

  void Run(int threads) {
    asio::post(accept_strand_, [this] { Accept(); });
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { RunThread(); });
    }
  }

  std::uint16_t Port() const override { return port_; }

 private:
  void RunThread() {
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception& error) {
        // One connection's handler failed; the others go on.
        context_.logger.Error("a connection's handler failed", {{"error", error.what()}});
      }
    }
  }

  // `this` outlives the handlers: the destructor joins the threads before anything goes.
  void Accept() {
    if (closing_) return;
    Strand strand = asio::make_strand(io_);
    acceptor_.async_accept(strand, [this](error_code error, Socket socket) {
      if (closing_) return;
      if (error) {
        OnAcceptError(error);
        return;
      }
      Strand connection = socket.get_executor();
      asio::post(connection, [this, socket = std::move(socket)]() mutable {
        std::make_shared<HttpSession>(&context_, std::move(socket))->Start();
      });
      Accept();
    });
  }

  // Most often there are no descriptors left, and trying again at once would only burn the
  // processor.
  void OnAcceptError(error_code error) {
    context_.logger.Warn("cannot accept a connection", {{"error", error.message()}});
    retry_timer_.expires_after(kAcceptRetry);
    retry_timer_.async_wait([this](error_code cancelled) {
      if (!cancelled) Accept();
    });
  }

  const absl::Duration shutdown_grace_;
  SessionContext context_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  Strand accept_strand_;
  asio::basic_socket_acceptor<tcp, Strand> acceptor_;
  asio::steady_timer retry_timer_;
  bool closing_ = false;  // On the accept strand.
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

SessionContext::SessionContext(api::Api* the_api, Limits the_limits, Metrics& metrics,
                               Logger the_logger)
    : api(the_api),
      limits(the_limits),
      logger(std::move(the_logger)),
      http_connections(metrics.GetGauge("belfry_http_connections", "Open HTTP connections.")),
      websocket_sessions(
          metrics.GetGauge("belfry_websocket_sessions", "Open WebSocket connections.")),
      frames_sent(metrics.GetCounter("belfry_websocket_frames_sent_total",
                                     "Events handed to the network, each time for a subscriber.")),
      bytes_sent(metrics.GetCounter("belfry_websocket_bytes_sent_total", "Their size in bytes.")),
      slow_subscribers(
          metrics.GetCounter("belfry_websocket_slow_subscribers_total",
                             "Subscribers closed with 1013 because their queue was full.")),
      frames_dropped(metrics.GetCounter(
          "belfry_websocket_frames_dropped_total",
          "Events that waited for a subscriber when its connection was closed or it might no "
          "longer see them.")) {}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(Options options, api::Api* api,
                                                      Metrics* metrics, Logger logger) {
  auto server = std::make_unique<ServerImpl>(api, options, *metrics, std::move(logger));
  const absl::Status listening = server->Listen(options);
  if (!listening.ok()) return listening;
  server->Run(options.threads);
  return server;
}

}  // namespace belfry::http
