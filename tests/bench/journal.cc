#include "tests/bench/journal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/belfry_server.h"
#include "tests/bench/compare.h"
#include "tests/bench/drain.h"
#include "tests/bench/jetstream.h"
#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"
#include "tests/bench/workload.h"

namespace belfry::bench {
namespace {

using Storage = Configuration::Storage;

// More than any part of this writes.
constexpr std::int64_t kJournalBytes = std::int64_t{40} << 30;

Configuration OnDisk() {
  return {.storage = Storage::kRocksDb, .journal_bytes = kJournalBytes};
}

bool Held(bool held, const std::string& line) {
  std::cout << line << (held ? " held" : " MISSED") << "\n" << std::flush;
  return held;
}

int MeasureDurableEvents(const std::string& bin) {
  Belfry belfry(bin, OnDisk());
  const std::unique_ptr<JetStream> peer = StartJetStreamIfThereIsOne();
  // As long as an event is on the wire.
  const std::string payload(400, 'x');
  std::cout << "\nevents made durable, each acknowledged before its sender sends the next; medians "
               "of "
            << Rounds(3) << " rounds\n";
  if (peer == nullptr)
    std::cout << "  (not beside JetStream: BELFRY_BENCH_NATS names no nats-server of 2.10)\n";
  int missed = 0;
  for (const std::int64_t senders : {1, 64}) {
    const std::int64_t count = IsQuick() ? senders : senders * 500;
    const auto ours = [&] { belfry.Emit(count, senders); };
    const std::string what = absl::StrCat(senders, senders == 1 ? " sender" : " senders");
    if (peer == nullptr) {
      std::cout << absl::StrFormat("  %-12s %10.0f events/s\n", what, Rate(count, ours))
                << std::flush;
      continue;
    }
    const Comparison rates = Compare(
        count, ours, [&] { peer->Publish(count, senders, payload); }, Rounds(3));
    if (!Hold(what, "JetStream", rates, 10)) ++missed;
  }
  return missed;
}

int MeasureReplay(const std::string& bin) {
  constexpr double kBar = 500'000;
  const std::int64_t count = IsQuick() ? 4096 : 1'000'000;
  Belfry belfry(bin, OnDisk());
  belfry.Emit(count, 1, std::min(count, kAtOnce));
  std::cout << "\n"
            << count << " events read again by one subscriber; medians of " << Rounds(3)
            << " rounds\n";
  int missed = 0;
  for (const auto& [name, query] :
       {std::pair("protobuf", "after=earliest"), std::pair("JSON", "json=true&after=earliest")}) {
    std::vector<double> rates;
    for (int round = 0; round < Rounds(3); ++round) {
      Drain drain;
      rates.push_back(static_cast<double>(count) / Seconds([&] {
                        belfry.SubscribeWith(drain, query);
                        drain.Await(static_cast<std::uint64_t>(count));
                      }));
    }
    const double rate = Median(rates);
    if (!Held(rate >= kBar,
              absl::StrFormat("  %-12s %10.0f events/s   bar %.0f", name, rate, kBar)))
      ++missed;
  }
  return missed;
}

// Servers of their own, so that an event goes to those who follow or to the others.
int MeasureFollowing(const std::string& bin) {
  int missed = 0;
  std::cout << "\ndeliveries to those who follow the journal, beside those who do not; medians of "
            << Rounds() << " rounds\n";
  for (const int subscribers : {1, 100}) {
    Belfry followed(bin), plain(bin);
    Drain to_followers, to_others;
    for (int i = 0; i < subscribers; ++i) {
      followed.SubscribeWith(to_followers, "json=true&after=latest");
      plain.Subscribe(to_others);
    }
    // Each follower is told where it begins.
    to_followers.Await(static_cast<std::uint64_t>(subscribers));
    const std::int64_t bursts = IsQuick() ? 1 : std::max(1, 64 / subscribers);
    const auto deliver = [&](Belfry& belfry, const Drain& drain) {
      for (std::int64_t burst = 0; burst < bursts; ++burst) {
        const std::uint64_t target =
            drain.received() + static_cast<std::uint64_t>(kBurst * subscribers);
        belfry.Emit(kBurst, kSenders);
        drain.Await(target);
      }
    };
    const Comparison rates = Compare(
        bursts * kBurst * subscribers, [&] { deliver(followed, to_followers); },
        [&] { deliver(plain, to_others); });
    if (!Hold(absl::StrCat(subscribers, " with after="), "without", rates, 0.5, "deliveries"))
      ++missed;
  }
  return missed;
}

// In milliseconds.
double SlowestOfAHundred(Belfry& belfry, KvRequests& requests) {
  const int socket = ConnectTo(belfry.port());
  std::vector<double> times;
  for (int i = 0; i < (IsQuick() ? 100 : 5000); ++i)
    times.push_back(1000 * Seconds([&] { Exchange(PlainStream(socket), requests.Put()); }));
  close(socket);
  std::sort(times.begin(), times.end());
  return times[times.size() * 99 / 100];
}

int MeasureWritersBesideThoseBehind(const std::string& bin) {
  const int subscribers = IsQuick() ? 10 : 1000;
  Belfry alone(bin, OnDisk()), beside(bin, OnDisk());
  KvRequests requests(kKvVersions[1]);
  for (Belfry* const belfry : {&alone, &beside}) MountKv(*belfry, kKvVersions[1]);
  beside.Emit(kBurst, 1, kBurst);
  // They read nothing.
  std::vector<int> behind;
  for (int i = 0; i < subscribers; ++i)
    behind.push_back(beside.Upgrade("json=true&after=earliest"));
  std::vector<double> ratios, times;
  for (int round = 0; round < Rounds(); ++round) {
    const double without = SlowestOfAHundred(alone, requests);
    times.push_back(SlowestOfAHundred(beside, requests));
    ratios.push_back(times.back() / without);
  }
  for (const int socket : behind) close(socket);
  const double ratio = Median(ratios);
  return Held(ratio <= 2,
              absl::StrFormat("\na write of kv 2 beside %d subscribers that are behind: p99 %.2f "
                              "ms, %.2f times that beside none   bar 2",
                              subscribers, Median(times), ratio))
             ? 0
             : 1;
}

int MeasureStart(const std::string& bin) {
  constexpr double kMostSeconds = 2;
  // Ten million, in whole calls.
  const std::int64_t at_once = IsQuick() ? 4096 : kAtOnce;
  const std::int64_t count = IsQuick() ? at_once : 306 * at_once;
  Belfry belfry(bin, OnDisk());
  belfry.Emit(count, 1, at_once);
  const double taken = Seconds([&] { belfry.RestartAfterKill(); });
  const std::string last = belfry.Ask("GET", "sys/events/history?after=latest", "");
  if (last.find(absl::StrCat("-", count, "\"")) == std::string::npos)
    Die(absl::StrCat("events are missing: ", last));
  return Held(
             taken <= kMostSeconds,
             absl::StrFormat("\nkilled with %d events in the journal: %.2f s from the start of the "
                             "next process until it is unsealed   bar %.0f s",
                             count, taken, kMostSeconds))
             ? 0
             : 1;
}

}  // namespace

int MeasureJournal(const std::string& bin) {
  return MeasureDurableEvents(bin) + MeasureReplay(bin) + MeasureFollowing(bin) +
         MeasureWritersBesideThoseBehind(bin) + MeasureStart(bin);
}

}  // namespace belfry::bench
