#include "tests/bench/kv.h"

#include <stdlib.h>

#include <cstdint>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/compare.h"
#include "tests/bench/http_load.h"
#include "tests/bench/measure.h"
#include "tests/bench/processes.h"
#include "tests/bench/workload.h"

namespace belfry::bench {
namespace {

constexpr int kRounds = 3;
// What Vault 1.15 did with its kv in the same process, by 8 writers on 2 cores.
constexpr double kWritesOfVault[] = {7000, 6500};

// What has been spent so far.
struct Spent {
  std::uint64_t storage_calls = 0;
  double server = 0;   // Seconds of processor time.
  double plugins = 0;  // Theirs.
};

Spent SpentBy(Belfry& belfry) {
  Spent spent{.server = ProcessorSeconds(belfry.pid())};
  for (const pid_t plugin : Descendants(belfry.pid())) spent.plugins += ProcessorSeconds(plugin);
  std::istringstream metrics(belfry.Ask("GET", "sys/metrics", ""));
  for (std::string line; std::getline(metrics, line);) {
    if (!line.starts_with("belfry_storage_calls_total{")) continue;
    spent.storage_calls += std::stoull(line.substr(line.rfind(' ') + 1));
  }
  return spent;
}

// What a request costs, of rounds that were all alike.
struct Cost {
  double rate = 0;
  double storage_calls = 0;
  double server_us = 0;
  double plugins_us = 0;
};

Cost Measure(Belfry& belfry, int connections, const std::function<std::string()>& next) {
  HttpLoad load(belfry.port(), connections);
  load.Send(200, next);
  const std::int64_t warmed_up = load.answered();
  const Spent before = SpentBy(belfry);
  std::vector<double> rates;
  for (int i = 0; i < Rounds(kRounds); ++i) rates.push_back(load.Run(LoadTime(), next));
  const Spent after = SpentBy(belfry);
  const auto requests = static_cast<double>(load.answered() - warmed_up);
  return {
      .rate = Median(rates),
      .storage_calls = static_cast<double>(after.storage_calls - before.storage_calls) / requests,
      .server_us = (after.server - before.server) / requests * 1e6,
      .plugins_us = (after.plugins - before.plugins) / requests * 1e6};
}

class KvBench {
 public:
  KvBench(Belfry& belfry, const KvVersion& version)
      : belfry_(belfry), name_(version.name), requests_(version) {
    FillKv(belfry, requests_);
  }

  Cost Write(int connections) {
    return Show("PUT", connections, [this] { return requests_.Put(); });
  }
  Cost Read(int connections) {
    return Show("GET", connections, [this] { return requests_.Get(); });
  }

 private:
  Cost Show(const char* method, int connections, const std::function<std::string()>& next) {
    const Cost cost = Measure(belfry_, connections, next);
    std::cout << absl::StrFormat("  %s %s %3d connections %8.0f/s  %10.2f storage calls  ", name_,
                                 method, connections, cost.rate, cost.storage_calls)
              << absl::StrFormat("%6.0f us server  %6.0f us plugin\n", cost.server_us,
                                 cost.plugins_us)
              << std::flush;
    return cost;
  }

  Belfry& belfry_;
  const char* const name_;
  KvRequests requests_;
};

// False when it is missed.
bool Hold(const char* name, double writes, double bar) {
  const bool held = writes >= bar;
  std::cout << absl::StrFormat("  %s PUT by 8: %.2f of Vault 1.15's %.0f/s  bar 1.00 %s\n", name,
                               writes / bar, bar, held ? "held" : "MISSED");
  return held;
}

}  // namespace

int MeasureKv(Belfry& belfry) {
  double load[1] = {};
  if (getloadavg(load, 1) != 1) Die("no load average");
  std::cout << absl::StrFormat(
      "\nkv through HTTP, host, plugin and storage: %d keys, one small field, no subscriber;\n"
      "a median of %d rounds, and what a request costs in all of them; load average before: %.1f\n",
      KvRequests::kKeys, Rounds(kRounds), load[0]);
  for (const KvVersion& version : kKvVersions) MountKv(belfry, version);
  int missed = 0;
  for (std::size_t i = 0; i < std::size(kKvVersions); ++i) {
    KvBench bench(belfry, kKvVersions[i]);
    double writes = 0;
    for (const int connections : {1, 8, 64}) {
      const Cost cost = bench.Write(connections);
      if (connections == 8) writes = cost.rate;
    }
    for (const int connections : {1, 8, 64}) bench.Read(connections);
    if (!Hold(kKvVersions[i].name, writes, kWritesOfVault[i])) ++missed;
  }
  return missed;
}

}  // namespace belfry::bench
