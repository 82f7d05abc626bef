#include "server/http/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/text.h"
#include "server/http/connections.h"
#include "server/http/http_session.h"
#include "server/http/session_context.h"
#include "server/http/tcp_transport.h"
#include "server/http/tls_context.h"
#include "server/http/tls_transport.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kAcceptRetry{50};
constexpr std::chrono::minutes kBetweenWarnings{1};
// For those that have not taken their leave in time to end at once.
constexpr absl::Duration kEndGrace = absl::Seconds(1);
// Descriptors that connections leave to plugins and files: a quarter, within these.
constexpr std::size_t kFewestReserved = 32;
constexpr std::size_t kMostReserved = 4096;
// Of the connections so many may be on their way out, a quarter at most.
constexpr std::size_t kMostLeaving = 64;
// Where descriptors have no limit.
constexpr std::size_t kManyDescriptors = 1024 * 1024;

Connections::Bounds ConnectionBounds(const Limits& limits) {
  if (limits.max_connections > 0) return {limits.max_connections, kMostLeaving};
  rlimit descriptors{};
  const bool known = getrlimit(RLIMIT_NOFILE, &descriptors) == 0;
  const std::size_t most = known && descriptors.rlim_cur != RLIM_INFINITY
                               ? static_cast<std::size_t>(descriptors.rlim_cur)
                               : kManyDescriptors;
  const std::size_t reserved = std::clamp(most / 4, kFewestReserved, kMostReserved);
  const std::size_t all = most > 2 * reserved ? most - reserved : most / 2;
  const std::size_t leaving = std::min(all / 4, kMostLeaving);
  return {all - leaving, leaving};
}

// What a vanished peer does not take ends the connection.
std::chrono::milliseconds UserTimeout(const Limits& limits) {
  return absl::ToChronoMilliseconds(2 * limits.ping_interval);
}

const Clock* ClockOf(const Options& options) {
  static const SystemClock kSystemClock;
  return options.clock == nullptr ? &kSystemClock : options.clock;
}

// Null without TLS.
absl::StatusOr<std::unique_ptr<TlsListener>> NewTlsListener(const Options& options,
                                                            Metrics& metrics,
                                                            const Logger& logger) {
  if (!options.tls) return nullptr;
  absl::StatusOr<std::unique_ptr<TlsContext>> context =
      TlsContext::Load(*options.tls, ClockOf(options), logger);
  if (!context.ok()) return context.status();
  // Half of the threads, so that one takes other work meanwhile.
  const int handshakes = std::max(1, options.threads / 2);
  return std::make_unique<TlsListener>(*std::move(context), handshakes, metrics, logger);
}

// Of something that may happen often: once a minute at most, with how often it has been since.
class RareWarning {
 public:
  void Warn(const Logger& logger, std::string_view what) {
    ++times_;
    const auto now = std::chrono::steady_clock::now();
    if (last_ && now - *last_ < kBetweenWarnings) return;
    logger.Warn(what, {{"times", std::to_string(times_)}});
    last_ = now;
    times_ = 0;
  }

 private:
  std::optional<std::chrono::steady_clock::time_point> last_;
  std::uint64_t times_ = 0;
};

class ServerImpl final : public Server {
 public:
  // `tls`: may be null.
  ServerImpl(api::Api* api, const Options& options, std::unique_ptr<TlsListener> tls,
             Metrics& metrics, Logger logger)
      : shutdown_grace_(options.shutdown_grace),
        own_scheduler_(options.scheduler == nullptr ? NewScheduler(ClockOf(options)) : nullptr),
        context_(api, ClockOf(options),
                 options.scheduler == nullptr ? own_scheduler_.get() : options.scheduler,
                 options.limits, ConnectionBounds(options.limits), metrics, std::move(logger)),
        tls_(std::move(tls)),
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
    for (const absl::Duration grace : {shutdown_grace_, kEndGrace}) {
      context_.connections.ShutDown(std::chrono::steady_clock::now() +
                                    absl::ToChronoNanoseconds(grace));
    }
    work_.reset();
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    context_.connections.CloseMailboxes();
    if (tls_ != nullptr) tls_->turns.Close();
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

  absl::Status ReloadCertificates() override {
    return tls_ == nullptr ? absl::OkStatus() : tls_->context->Reload();
  }

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
      Begin(std::move(socket));
      Accept();
    });
  }

  void Begin(Socket socket) {
    const Connections::Admission admission = context_.connections.Admit();
    if (admission == Connections::Admission::kDropped) return;
    const bool served = admission == Connections::Admission::kServed;
    if (!served) {
      refusals_.Warn(context_.logger, "too many connections; those above the limit get 503");
    }
    const Strand strand = socket.get_executor();
    auto session = std::make_shared<HttpSession>(
        &context_, NewTransport(std::move(socket)),
        served ? Connections::Stay::kUsual : Connections::Stay::kLeaving);
    asio::post(strand, [session = std::move(session), served] {
      if (served) {
        session->Start();
      } else {
        session->StartRefused();
      }
    });
  }

  std::unique_ptr<Transport> NewTransport(Socket socket) {
    auto tcp = std::make_unique<TcpTransport>(std::move(socket), UserTimeout(context_.limits));
    if (tls_ == nullptr) return tcp;
    return std::make_unique<TlsTransport>(std::move(tcp), tls_.get());
  }

  // Most often there are no descriptors left, and trying again at once would only burn the
  // processor.
  void OnAcceptError(error_code error) {
    accept_errors_.Warn(context_.logger, Concat({"cannot accept a connection: ", error.message()}));
    context_.connections.EvictOne();
    retry_timer_.expires_after(kAcceptRetry);
    retry_timer_.async_wait([this](error_code cancelled) {
      if (!cancelled) Accept();
    });
  }

  const absl::Duration shutdown_grace_;
  const std::unique_ptr<Scheduler> own_scheduler_;  // May be null.
  SessionContext context_;
  const std::unique_ptr<TlsListener> tls_;  // May be null.
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  Strand accept_strand_;
  asio::basic_socket_acceptor<tcp, Strand> acceptor_;
  asio::steady_timer retry_timer_;
  bool closing_ = false;  // On the accept strand, as the next two.
  RareWarning refusals_;
  RareWarning accept_errors_;
  std::uint16_t port_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

SessionContext::SessionContext(api::Api* the_api, const Clock* the_clock, Scheduler* the_scheduler,
                               Limits the_limits, Connections::Bounds bounds, Metrics& metrics,
                               Logger the_logger, Timeouts the_timeouts)
    : api(the_api),
      clock(the_clock),
      scheduler(the_scheduler),
      limits(the_limits),
      timeouts(the_timeouts),
      logger(std::move(the_logger)),
      connections(bounds),
      unauthorized_bytes(std::make_shared<ByteBudget>(limits.max_held_request_bytes / 4)),
      authorized_bytes(std::make_shared<ByteBudget>(limits.max_held_request_bytes -
                                                    limits.max_held_request_bytes / 4)),
      answer_bytes(std::make_shared<ByteBudget>(limits.max_held_answer_bytes)),
      http_connections(metrics.GetGauge("belfry_http_connections", "Open HTTP connections.")),
      requests_refused(
          metrics.GetCounter("belfry_http_requests_refused_total",
                             "Requests answered with 503 because the server held too many bytes "
                             "of requests, or of answers.")),
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

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const Options& options, api::Api* api,
                                                      Metrics* metrics, Logger logger) {
  absl::StatusOr<std::unique_ptr<TlsListener>> tls = NewTlsListener(options, *metrics, logger);
  if (!tls.ok()) return tls.status();
  auto server =
      std::make_unique<ServerImpl>(api, options, *std::move(tls), *metrics, std::move(logger));
  const absl::Status listening = server->Listen(options);
  if (!listening.ok()) return listening;
  server->Run(options.threads);
  return server;
}

}  // namespace belfry::http
