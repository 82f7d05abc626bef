#include "tests/bench/baseline.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/belfry_server.h"
#include "tests/bench/compare.h"
#include "tests/bench/drain.h"
#include "tests/bench/event_peer.h"
#include "tests/bench/http_load.h"
#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"
#include "tests/bench/workload.h"

namespace belfry::bench {
namespace {

// Short ones, and many: what disturbs the machine is longer than two of them.
constexpr int kRounds = 21;
constexpr double kBar = 0.97;

bool HoldBaseline(std::string_view what, const Comparison& rates, std::string_view unit) {
  return Hold(what, "baseline", rates, kBar, unit);
}

int CompareEvents(Belfry& ours, Belfry& theirs) {
  struct Way {
    std::string_view name;
    std::int64_t count, senders, at_once;
  };
  int missed = 0;
  for (const Way& way :
       {Way{"Send, 1 thread", 4096, 1, 1}, Way{"Send, 64 threads", 32768, kSenders, 1},
        Way{"SendAll, 1 thread", 8 * kAtOnce, 1, kAtOnce}}) {
    const auto emit = [&way](Belfry& server) { server.Emit(way.count, way.senders, way.at_once); };
    const Comparison rates = Compare(
        way.count, [&] { emit(ours); }, [&] { emit(theirs); }, Rounds(kRounds));
    if (!HoldBaseline(way.name, rates, "events")) ++missed;
  }
  return missed;
}

int CompareCalls(const std::string& bin, const std::string& baseline) {
  constexpr std::int64_t kCalls = 1 << 13;
  constexpr int kCallers = 16;
  EventPeer ours(bin + "/bench/belfry-bench-peer", PeerKind::kHost);
  EventPeer theirs(baseline + "/bench/belfry-bench-peer", PeerKind::kHost);
  const Comparison rates = Compare(
      kCalls, [&] { ours.Call(kCalls, kCallers); }, [&] { theirs.Call(kCalls, kCallers); },
      Rounds(kRounds));
  return HoldBaseline("SendEvent, 16 calls", rates, "events") ? 0 : 1;
}

// A server's subscribers, and bursts for all of them.
class Subscribed {
 public:
  explicit Subscribed(Belfry& server) : server_(server) {}

  void Add(const std::string& token = "root") {
    server_.Subscribe(drain_, token);
    ++subscribers_;
  }
  void Deliver(std::int64_t bursts, std::int64_t paths = 1) {
    for (std::int64_t i = 0; i < bursts; ++i) {
      const std::uint64_t target = drain_.received() + kBurst * subscribers_;
      server_.Emit(kBurst, kSenders, 1, paths);
      drain_.Await(target);
    }
  }

 private:
  Belfry& server_;
  Drain drain_;
  std::uint64_t subscribers_ = 0;
};

int CompareDeliveries(Belfry& ours, Belfry& theirs) {
  int missed = 0;
  for (const int subscribers : {1, 100, IsQuick() ? 100 : 1000}) {
    Subscribed to_ours(ours), to_theirs(theirs);
    for (int i = 0; i < subscribers; ++i) {
      to_ours.Add();
      to_theirs.Add();
    }
    const std::int64_t bursts = std::max(1, 10 / subscribers);
    const Comparison rates = Compare(
        bursts * kBurst * subscribers, [&] { to_ours.Deliver(bursts); },
        [&] { to_theirs.Deliver(bursts); }, Rounds(kRounds));
    if (!HoldBaseline(absl::StrCat("to ", subscribers, " subscribers"), rates, "deliveries"))
      ++missed;
  }
  return missed;
}

// To subscribers with a token and a policy of their own.
int CompareAuthorised(Belfry& ours, Belfry& theirs) {
  constexpr int kSubscribers = 100;
  Subscribed to_ours(ours), to_theirs(theirs);
  for (int i = 0; i < kSubscribers; ++i) {
    for (const auto& [server, subscribed] :
         {std::pair(&ours, &to_ours), std::pair(&theirs, &to_theirs)}) {
      subscribed->Add(server->CreateToken(absl::StrCat("s", i), HundredLines(i)));
    }
  }
  int missed = 0;
  for (const int paths : {200, 4096}) {
    const Comparison rates = Compare(
        kBurst * kSubscribers, [&] { to_ours.Deliver(1, paths); },
        [&] { to_theirs.Deliver(1, paths); }, Rounds(kRounds));
    if (!HoldBaseline(absl::StrCat("authorised, ", paths, " paths"), rates, "deliveries")) ++missed;
  }
  return missed;
}

int CompareKv(Belfry& ours, Belfry& theirs) {
  int missed = 0;
  for (const KvVersion& version : kKvVersions) {
    KvRequests requests(version);
    for (Belfry* server : {&ours, &theirs}) {
      MountKv(*server, version);
      FillKv(*server, requests);
    }
    for (const bool writes : {true, false}) {
      for (const int connections : {1, 8, 64}) {
        HttpLoad to_ours(ours.port(), connections), to_theirs(theirs.port(), connections);
        const auto next = [&] { return writes ? requests.Put() : requests.Get(); };
        const Comparison rates =
            CompareRates([&] { return to_ours.Run(LoadTime() / 4, next); },
                         [&] { return to_theirs.Run(LoadTime() / 4, next); }, Rounds(kRounds));
        if (!HoldBaseline(absl::StrCat(version.name, writes ? " PUT by " : " GET by ", connections),
                          rates, "requests"))
          ++missed;
      }
    }
  }
  return missed;
}

}  // namespace

int CompareWithBaseline(const std::string& bin, const std::string& baseline) {
  std::cout << absl::StrFormat(
                   "This build beside an earlier one; medians of %d rounds on %d cores.\n\n",
                   Rounds(kRounds), static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)))
            << std::flush;
  Belfry ours(bin), theirs(baseline);
  return CompareEvents(ours, theirs) + CompareCalls(bin, baseline) +
         CompareDeliveries(ours, theirs) + CompareAuthorised(ours, theirs) +
         CompareKv(ours, theirs);
}

}  // namespace belfry::bench
