#include "tests/bench/durable.h"

#include <cstdint>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/belfry_server.h"
#include "tests/bench/compare.h"
#include "tests/bench/drain.h"
#include "tests/bench/http_load.h"
#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"
#include "tests/bench/vault_server.h"
#include "tests/bench/workload.h"

namespace belfry::bench {
namespace {

using Storage = Configuration::Storage;
using Transport = Configuration::Transport;

struct WritersCase {
  int clients;
  // How many times as much as Vault with its raft storage this server promises to write; 0: one
  // client waits for the disk, whatever the server does.
  double of_vault;
  double of_memory;  // The least part of what is written in memory; 0: no promise.
};
constexpr WritersCase kWriters[] = {{1, 0, 0}, {8, 2.5, 0}, {64, 2.5, 0.85}};

// Of all that the server counts under this name.
double Metric(Belfry& belfry, const std::string& name) {
  std::istringstream metrics(belfry.Ask("GET", "sys/metrics?format=prometheus", ""));
  double sum = 0;
  for (std::string line; std::getline(metrics, line);) {
    if (line.starts_with(name + " ") || line.starts_with(name + "{"))
      sum += std::stod(line.substr(line.rfind(' ') + 1));
  }
  return sum;
}

// Writes random keys of kv 2.
class Writers {
 public:
  Writers(std::uint16_t port, int clients) : load_(port, clients) {}

  double Rate() {
    return load_.Run(LoadTime(), [this] { return requests_.Put(); });
  }
  std::int64_t written() const { return load_.answered(); }

 private:
  HttpLoad load_;
  KvRequests requests_{kKvVersions[1]};
};

int MeasureWrites(const std::string& bin) {
  Belfry disk(bin, {.storage = Storage::kRocksDb});
  Belfry memory(bin, {.storage = Storage::kInMemory});
  for (Belfry* const belfry : {&disk, &memory}) MountKv(*belfry, kKvVersions[1]);
  const std::unique_ptr<Vault> vault = StartVaultIfThereIsOne();
  std::cout << "\nwrites of kv 2, with fsync before the answer; medians of " << Rounds(3)
            << " rounds\n";
  if (vault == nullptr)
    std::cout << "  (not beside Vault: BELFRY_BENCH_VAULT names no program of it)\n";
  int missed = 0;
  for (const auto& [clients, of_vault, of_memory] : kWriters) {
    Writers to_disk(disk.port(), clients), to_memory(memory.port(), clients);
    const double syncs_before = Metric(disk, "belfry_storage_syncs_total");
    const Comparison rates =
        CompareRates([&] { return to_disk.Rate(); }, [&] { return to_memory.Rate(); }, Rounds(3));
    const double syncs = Metric(disk, "belfry_storage_syncs_total") - syncs_before;
    if (!Hold(absl::StrCat(clients, " clients"), "in memory", rates, of_memory, "writes")) ++missed;
    std::cout << absl::StrFormat("  %20s %10.2f fsyncs a write\n", "",
                                 syncs / static_cast<double>(to_disk.written()))
              << std::flush;
    if (vault == nullptr) continue;
    Writers to_vault(vault->port(), clients);
    const Comparison beside =
        CompareRates([&] { return to_disk.Rate(); }, [&] { return to_vault.Rate(); }, Rounds(3));
    if (!Hold(absl::StrCat(clients, " clients"), "Vault, raft", beside, of_vault, "writes"))
      ++missed;
  }
  return missed;
}

int MeasureRestart(const std::string& bin) {
  const std::int64_t keys = IsQuick() ? 1000 : 1'000'000;
  const std::int64_t leases = IsQuick() ? 100 : 100'000;
  constexpr double kMostSeconds = 3;
  Belfry belfry(bin, {.storage = Storage::kRocksDb});
  belfry.Ask("POST", "sys/mounts/kv", R"({"type":"kv","options":{"version":"1"}})");
  belfry.Ask("POST", "sys/mounts/lender", R"({"type":"lender"})");
  {
    HttpLoad load(belfry.port(), 64);
    std::int64_t number = 0;
    load.Send(keys, [&] {
      ++number;
      return RequestText("PUT", absl::StrCat("kv/group-", number % 1000, "/key-", number),
                         R"({"password":"correct-horse"})");
    });
    load.Send(leases, [&] { return RequestText("GET", "lender/creds/bench", ""); });
  }
  const double taken = Seconds([&] {
    belfry.RestartAfterKill();
    belfry.Ask("GET", "kv/group-1/key-1", "");
  });
  const double found = Metric(belfry, "belfry_leases");
  if (found < static_cast<double>(leases)) Die(absl::StrCat("only ", found, " leases are left"));
  const bool held = taken <= kMostSeconds;
  std::cout << absl::StrFormat(
                   "\nkilled with %d keys and %d leases: %.2f s from the start of the next process "
                   "to a secret, unsealing included   bar %.0f s %s\n",
                   keys, leases, taken, kMostSeconds, held ? "held" : "MISSED")
            << std::flush;
  return held ? 0 : 1;
}

int MeasureTls(const std::string& bin) {
  // One burst must fit a subscriber's queue.
  constexpr std::int64_t kBurst = 4096;
  constexpr std::int64_t kSenders = 64;
  const int subscribers = IsQuick() ? 10 : 1000;
  Belfry encrypted(bin, {.transport = Transport::kTls});
  Belfry plain(bin, {});
  Drain to_encrypted, to_plain;
  for (int i = 0; i < subscribers; ++i) {
    encrypted.Subscribe(to_encrypted);
    plain.Subscribe(to_plain);
  }
  const auto deliver = [subscribers](Belfry& belfry, const Drain& drain) {
    const std::uint64_t target = drain.received() + kBurst * subscribers;
    belfry.Emit(kBurst, kSenders);
    drain.Await(target);
  };
  std::cout << "\ndeliveries to " << subscribers << " subscribers over TLS; medians of " << Rounds()
            << " rounds\n";
  const Comparison rates = Compare(
      kBurst * subscribers, [&] { deliver(encrypted, to_encrypted); },
      [&] { deliver(plain, to_plain); });
  return Hold("TLS 1.3", "plain", rates, 0.5, "deliveries") ? 0 : 1;
}

}  // namespace

int MeasureDurable(const std::string& bin) {
  return MeasureWrites(bin) + MeasureTls(bin) + MeasureRestart(bin);
}

}  // namespace belfry::bench
