// `./dev bench`: events from a plugin to the bus; deliveries to WebSocket subscribers beside NATS
// core with the same payload, read by the same reader, in the same run; reads and writes of kv;
// what others wait for while somebody sends what costs most; a server on a disk, and over TLS.
// Prints medians of several rounds; ends with 2 when a ratio that the project promises was missed.

#include <nats/nats.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/baseline.h"
#include "tests/bench/belfry_server.h"
#include "tests/bench/child.h"
#include "tests/bench/compare.h"
#include "tests/bench/drain.h"
#include "tests/bench/durable.h"
#include "tests/bench/event_peer.h"
#include "tests/bench/hostile.h"
#include "tests/bench/journal.h"
#include "tests/bench/kv.h"
#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"
#include "tests/bench/workload.h"

namespace belfry::bench {
namespace {

// NATS core, fed by its own C client.
class Nats {
 public:
  explicit Nats()
      : server_({"nats-server", "-a", "127.0.0.1", "-p", "-1"}),
        port_(PortIn(server_.LineAfter("Listening for client connections on "))) {
    natsOptions* options = nullptr;
    natsOptions_Create(&options);
    natsOptions_SetURL(options, absl::StrCat("nats://127.0.0.1:", port_).c_str());
    if (natsConnection_Connect(&publisher_, options) != NATS_OK)
      Die("cannot connect to nats-server");
    natsOptions_Destroy(options);
  }
  ~Nats() { natsConnection_Destroy(publisher_); }

  void Publish(std::int64_t count, const std::string& payload) {
    for (std::int64_t i = 0; i < count; ++i) {
      natsConnection_Publish(publisher_, "kv", payload.data(), static_cast<int>(payload.size()));
    }
    natsConnection_Flush(publisher_);
  }
  void Subscribe(Drain& drain) {
    const int socket = ConnectTo(port_);
    std::string rest;
    ReadThrough(PlainStream(socket), "\r\n", &rest);  // INFO
    SendAll(socket, "CONNECT {\"verbose\":false}\r\nSUB kv 1\r\nPING\r\n");
    ReadThrough(PlainStream(socket), "PONG\r\n", &rest);
    drain.Add(socket, NewNatsCounter(), rest);
  }

 private:
  Child server_;
  std::uint16_t port_;
  natsConnection* publisher_ = nullptr;
};

// Deliveries a second to `subscribers`, in bursts that everyone has received before the next
// begins.
template <typename Server>
double FanOut(Server& server, int subscribers, const std::function<void(std::int64_t)>& publish) {
  Drain drain;
  for (int i = 0; i < subscribers; ++i) server.Subscribe(drain);
  const std::int64_t bursts = std::max(1, 64 / subscribers);
  return Rate(bursts * kBurst * subscribers, [&] {
    for (std::int64_t burst = 0; burst < bursts; ++burst) {
      const std::uint64_t target = drain.received() + kBurst * subscribers;
      publish(kBurst);
      drain.Await(target);
    }
  });
}

// How much slower deliveries are to subscribers whose events have to be authorised, each with a
// token and a policy of its own. The number of bars that were missed.
int MeasureAuthorising(const std::string& bin) {
  constexpr int kSubscribers = 100;
  constexpr std::int64_t kDeliveries = kBurst * kSubscribers;
  // Short ones: the difference is smaller than what a busy machine does to a long one.
  const int short_rounds = Rounds(25);
  // A server each, so that an event goes to the ones or to the others.
  Belfry limited(bin), root(bin);
  Drain to_limited, to_root;
  for (int i = 0; i < kSubscribers; ++i) {
    limited.Subscribe(to_limited, limited.CreateToken(absl::StrCat("s", i), HundredLines(i)));
    root.Subscribe(to_root);
  }
  const auto deliver = [](Belfry& belfry, const Drain& drain, std::int64_t paths) {
    const std::uint64_t target = drain.received() + kDeliveries;
    belfry.Emit(kBurst, 1, kBurst, paths);
    drain.Await(target);
  };
  std::cout << "\ndeliveries to 100 subscribers, each with a policy of 100 lines; medians of "
            << short_rounds << " rounds\n";
  int missed = 0;
  for (const int paths : {200, 4096}) {
    const Comparison rates = Compare(
        kDeliveries, [&] { deliver(limited, to_limited, paths); },
        [&] { deliver(root, to_root, paths); }, short_rounds);
    if (!Hold(absl::StrCat("on ", paths, " paths"), "root", rates, 0.9, "deliveries")) ++missed;
  }
  return missed;
}

// How fast events reach the bus, beside gRPC that parses the same messages and does nothing else.
// The number of bars that were missed.
int MeasureEvents(const std::string& bin, Belfry& belfry) {
  constexpr std::int64_t kStreamed = 1 << 18, kCalled = 1 << 14;
  constexpr int kCallers = 16;
  std::cout << "plugin -> bus, no subscriber\n";
  for (const std::int64_t senders : {std::int64_t{1}, kSenders}) {
    const std::int64_t count = senders == 1 ? 4096 : 65536;
    std::cout << absl::StrFormat("  Send, %2d threads     %10.0f events/s\n", senders,
                                 Rate(count, [&] { belfry.Emit(count, senders); }))
              << std::flush;
  }
  const std::string peer = bin + "/bench/belfry-bench-peer";
  EventPeer bare(peer, PeerKind::kBare);
  int missed = 0;
  const Comparison streamed = Compare(
      kStreamed, [&] { belfry.Emit(kStreamed, 1, kAtOnce); }, [&] { bare.Stream(kStreamed); });
  if (!Hold("SendAll, 1 thread", "bare gRPC stream", streamed, 0.9)) ++missed;
  EventPeer host(peer, PeerKind::kHost);
  const Comparison called = Compare(
      kCalled, [&] { host.Call(kCalled, kCallers); }, [&] { bare.Call(kCalled, kCallers); });
  if (!Hold("SendEvent, 16 calls", "bare gRPC calls ", called, 0.9)) ++missed;
  return missed;
}

void MeasureDeliveries(Belfry& belfry) {
  // The size of the frames that Belfry sends for the same event.
  const std::string payload(530, 'x');
  Nats nats;
  std::cout << "\ndeliveries to subscribers, 530-byte messages, bursts of " << kBurst << "\n";
  for (const int subscribers : {1, 100, 1000}) {
    const double ours =
        FanOut(belfry, subscribers, [&](std::int64_t count) { belfry.Emit(count, kSenders); });
    const double theirs =
        FanOut(nats, subscribers, [&](std::int64_t count) { nats.Publish(count, payload); });
    std::cout << absl::StrFormat(
                     "  %4d subscribers  Belfry %10.0f/s   NATS core %10.0f/s   ratio %.2f\n",
                     subscribers, ours, theirs, ours / theirs)
              << std::flush;
  }
}

constexpr std::string_view kParts[] = {"events",  "deliveries", "authorising", "kv",
                                       "hostile", "durable",    "journal"};

constexpr std::string_view kBaseline = "-baseline=";

// `only` is one of kParts, or empty for all; with `baseline` there is only the comparison. The
// number of bars that were missed.
int Main(const std::string& bin, std::string_view only, const std::string& baseline) {
  signal(SIGPIPE, SIG_IGN);
  if (!baseline.empty()) return CompareWithBaseline(bin, baseline);
  std::cout << absl::StrFormat("Medians of %d rounds on %d cores.\n\n", Rounds(),
                               static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  const auto wanted = [only](std::string_view part) { return only.empty() || only == part; };
  int missed = 0;
  {
    Belfry belfry(bin);
    if (wanted("events")) missed += MeasureEvents(bin, belfry);
    if (wanted("deliveries")) MeasureDeliveries(belfry);
    if (wanted("kv")) missed += MeasureKv(belfry);
  }
  if (wanted("authorising")) missed += MeasureAuthorising(bin);
  if (wanted("hostile")) missed += MeasureHostile(bin);
  if (wanted("durable")) missed += MeasureDurable(bin);
  if (wanted("journal")) missed += MeasureJournal(bin);
  return missed;
}

}  // namespace
}  // namespace belfry::bench

int main(int argc, char** argv) {
  using belfry::bench::kBaseline;
  std::vector<std::string_view> arguments(argv + 1, argv + argc);
  if (std::erase(arguments, "-quick") > 0) belfry::bench::BeQuick();
  std::string baseline;
  std::erase_if(arguments, [&baseline](std::string_view argument) {
    const bool is_it = argument.starts_with(kBaseline);
    if (is_it) baseline = argument.substr(kBaseline.size());
    return is_it;
  });
  const std::string_view only = arguments.size() > 1 ? arguments[1] : "";
  const auto& parts = belfry::bench::kParts;
  const bool known =
      only.empty() || std::find(std::begin(parts), std::end(parts), only) != std::end(parts);
  const std::size_t most = baseline.empty() ? 2 : 1;
  if (arguments.empty() || arguments.size() > most || !known) {
    std::cerr
        << "usage: belfry-bench [-quick] BIN "
           "[events|deliveries|authorising|kv|hostile|durable|journal]\n"
           "       belfry-bench [-quick] -baseline=OTHER BIN\n"
           "  (BIN: the folder with belfry, plugins and test-plugins; OTHER: that of an earlier "
           "build, to compare; -quick: only to see that it runs)\n";
    return 1;
  }
  try {
    const int missed = belfry::bench::Main(std::string(arguments[0]), only, baseline);
    if (belfry::bench::IsQuick()) return 0;
    if (missed > 0) std::cerr << "bench: " << missed << " bars were missed" << std::endl;
    return missed > 0 ? 2 : 0;
  } catch (const std::exception& failure) {
    // Thrown, not exited, so that the servers under test have been stopped by now.
    std::cerr << "bench: " << failure.what() << std::endl;
    return 1;
  }
}
