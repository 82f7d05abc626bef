#include "server/http/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/text.h"
#include "base/wiping.h"
#include "server/http/connections.h"
#include "server/http/handshake_turns.h"
#include "server/http/listener.h"
#include "server/http/session_context.h"
#include "server/http/tls_context.h"
#include "server/http/tls_transport.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;

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

const Clock* ClockOf(const Options& options) {
  static const SystemClock kSystemClock;
  return options.clock == nullptr ? &kSystemClock : options.clock;
}

// Null without TLS.
absl::StatusOr<std::unique_ptr<TlsListener>> NewTlsListener(const ListenOptions& options,
                                                            const SessionContext& context,
                                                            HandshakeTurns* turns,
                                                            Metrics& metrics) {
  if (!options.tls) return nullptr;
  absl::StatusOr<std::unique_ptr<TlsContext>> tls =
      TlsContext::Load(*options.tls, context.clock, context.logger);
  if (!tls.ok()) return tls.status();
  return std::make_unique<TlsListener>(*std::move(tls), turns, metrics, context.logger);
}

// Where each thread of `io` waits for the others, so that none does what another is to do.
class Meeting final {
 public:
  Meeting(const asio::io_context& io, std::size_t threads) : io_(io), missing_(threads) {}

  // Until all have come; a few seconds at most, and not once `io` has been stopped: threads that
  // end come no more.
  void Arrive() {
    const auto deadline = std::chrono::steady_clock::now() + kMeetingTime;
    MutexLock lock(&mutex_);
    --missing_;
    changed_.NotifyAll();
    while (missing_ > 0 && !io_.stopped() && std::chrono::steady_clock::now() < deadline) {
      // Nobody notifies of a stop.
      changed_.WaitUntil(&mutex_, std::chrono::steady_clock::now() + kStopLookedForEach);
    }
  }

 private:
  static constexpr std::chrono::seconds kMeetingTime{3};
  static constexpr std::chrono::milliseconds kStopLookedForEach{10};

  const asio::io_context& io_;
  Mutex mutex_;
  CondVar changed_;
  std::size_t missing_ ABSL_GUARDED_BY(mutex_);
};

class ServerImpl final : public Server {
 public:
  ServerImpl(api::Api* api, const Options& options, Metrics& metrics, Logger logger)
      : shutdown_grace_(options.shutdown_grace),
        thread_count_(static_cast<std::size_t>(options.threads)),
        own_scheduler_(options.scheduler == nullptr ? NewScheduler(ClockOf(options)) : nullptr),
        context_(api, ClockOf(options),
                 options.scheduler == nullptr ? own_scheduler_.get() : options.scheduler,
                 options.limits, ConnectionBounds(options.limits), metrics, std::move(logger)),
        // Half of the threads, so that one takes other work meanwhile.
        handshakes_(std::max(1, options.threads / 2)),
        io_(options.threads),
        work_(asio::make_work_guard(io_)) {}

  ~ServerImpl() override {
    for (const auto& listener : listeners_) listener->StopAccepting();
    for (const absl::Duration grace : {shutdown_grace_, kEndGrace}) {
      context_.connections.ShutDown(std::chrono::steady_clock::now() +
                                    absl::ToChronoNanoseconds(grace));
    }
    work_.reset();
    io_.stop();
    for (std::thread& thread : threads_) thread.join();
    context_.connections.CloseMailboxes();
    handshakes_.Close();
  }

  absl::Status Listen(const Options& options, Metrics& metrics) {
    for (const ListenOptions& one : options.listeners) {
      absl::StatusOr<std::unique_ptr<TlsListener>> tls =
          NewTlsListener(one, context_, &handshakes_, metrics);
      if (!tls.ok()) return tls.status();
      tls_.push_back(*std::move(tls));
      listeners_.push_back(std::make_unique<Listener>(io_, &context_, one, tls_.back().get()));
      if (absl::Status failed = listeners_.back()->Open(); !failed.ok()) return failed;
    }
    return absl::OkStatus();
  }

  void Run() {
    for (const auto& listener : listeners_) listener->StartAccepting();
    for (std::size_t i = 0; i < thread_count_; ++i) {
      threads_.emplace_back([this] { RunThread(); });
    }
  }

  std::uint16_t Port(std::size_t listener) const override { return listeners_[listener]->port(); }

  absl::Status ReloadCertificates() override {
    std::string failures;
    for (const auto& tls : tls_) {
      if (tls == nullptr) continue;
      const absl::Status reloaded = tls->context->Reload();
      if (reloaded.ok()) continue;
      failures += Concat({failures.empty() ? "" : "; ", ToStd(reloaded.message())});
    }
    return failures.empty() ? absl::OkStatus() : absl::InvalidArgumentError(failures);
  }

  void WipeStacks() override {
    const auto meeting = std::make_shared<Meeting>(io_, thread_count_);
    for (std::size_t i = 0; i < thread_count_; ++i) {
      asio::post(io_, [meeting] {
        meeting->Arrive();
        WipeUnusedStack();
      });
    }
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

  const absl::Duration shutdown_grace_;
  const std::size_t thread_count_;
  const std::unique_ptr<Scheduler> own_scheduler_;  // May be null.
  SessionContext context_;
  HandshakeTurns handshakes_;
  std::vector<std::unique_ptr<TlsListener>> tls_;  // One for each listener, or null.
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  // After the io_context, whose handlers use them until the threads have been joined.
  std::vector<std::unique_ptr<Listener>> listeners_;
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
  auto server = std::make_unique<ServerImpl>(api, options, *metrics, std::move(logger));
  const absl::Status listening = server->Listen(options, *metrics);
  if (!listening.ok()) return listening;
  server->Run();
  return server;
}

}  // namespace belfry::http
