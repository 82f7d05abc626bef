#include "tests/bench/hostile.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/belfry_server.h"
#include "tests/bench/http_load.h"
#include "tests/bench/measure.h"
#include "tests/bench/processes.h"
#include "tests/bench/sockets.h"
#include "tests/bench/witness.h"

namespace belfry::bench {
namespace {

constexpr double kAimMs = 50;

std::chrono::milliseconds Time() {
  return std::chrono::milliseconds(IsQuick() ? 300 : 4000);
}

// What somebody does who means harm, for some time: each request on a connection of its own, and
// whatever the answer is.
class Attack {
 public:
  explicit Attack(Belfry& belfry) : belfry(belfry) {}
  ~Attack() { End(); }

  // By so many at once, until the time is over.
  void Repeat(int clients, const std::function<void()>& work) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, work] {
        while (!over_) work();
      });
    }
  }
  // Once, at the same time.
  void Once(const std::function<void()>& work) { threads_.emplace_back(work); }
  void Shoot(const std::string& request) const;
  // Connections that stay until the end.
  int Hold(const std::string& request);
  void End();

  Belfry& belfry;

 private:
  std::atomic<bool> over_ = false;
  std::vector<std::thread> threads_;
  std::vector<int> held_;
};

void Attack::Shoot(const std::string& request) const {
  const int socket = ConnectTo(belfry.port());
  timeval patience{.tv_sec = 20, .tv_usec = 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  std::string_view rest = request;
  while (!rest.empty()) {
    const ssize_t sent = send(socket, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) break;  // Cut off: that is an answer, too.
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  char buffer[4096];
  (void)recv(socket, buffer, sizeof buffer, 0);
  close(socket);
}

int Attack::Hold(const std::string& request) {
  const int socket = ConnectTo(belfry.port());
  held_.push_back(socket);
  send(socket, request.data(), request.size(), MSG_NOSIGNAL);
  if (request.empty()) return socket;
  timeval patience{.tv_sec = 20, .tv_usec = 0};
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char buffer[4096];
  (void)recv(socket, buffer, sizeof buffer, 0);
  return socket;
}

void Attack::End() {
  over_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  for (const int socket : held_) close(socket);
  held_.clear();
}

std::string Request(const std::string& method, const std::string& path, const std::string& token,
                    const std::string& body) {
  return absl::StrCat(method, " /v1/", path, " HTTP/1.1\r\nHost: a\r\nX-Vault-Token: ", token,
                      "\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

std::string Upgrade(const std::string& type, const std::string& query, const std::string& token) {
  return absl::StrCat("GET /v1/sys/events/subscribe/", type, "?", query,
                      " HTTP/1.1\r\nHost: a\r\nX-Vault-Token: ", token,
                      "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
                      "13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
}

std::string Repeated(std::string_view text, int times) {
  std::string repeated;
  for (int i = 0; i < times; ++i) repeated += text;
  return repeated;
}

std::string Rules(int count) {
  std::string policy = "path \"sys/events/subscribe/*\" { capabilities = [\"read\"] }\n";
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&policy, "path \"some/+/path/", i, "/*\" { capabilities = [\"read\"] }\n");
  }
  return policy;
}

std::string Filter(const std::string& text) {
  std::string encoded;
  for (const unsigned char c : text) absl::StrAppend(&encoded, absl::StrFormat("%%%02x", c));
  return "json=true&filter=" + encoded;
}

void CapabilitiesOfALongPath(Attack& attack) {
  const std::string token = attack.belfry.CreateToken("plus", Rules(4) + R"(
      path "+/data/+/x" { capabilities = ["read"] }
      path "sys/capabilities-self" { capabilities = ["update"] })");
  const std::string request =
      Request("POST", "sys/capabilities-self", token,
              absl::StrCat(R"({"paths":[")", Repeated("a/", 700'000), R"("]})"));
  attack.Repeat(2, [=, &attack] { attack.Shoot(request); });
}

void UrlOfManySegments(Attack& attack) {
  const std::string token = attack.belfry.CreateToken("plus2", Rules(4));
  const std::string request = Request("GET", Repeated("a/", 400'000) + "a", token, "");
  attack.Repeat(2, [=, &attack] { attack.Shoot(request); });
}

void ExplainALongType(Attack& attack) {
  const std::string token = attack.belfry.CreateToken("fifty", Rules(50) + R"(
      path "sys/events/explain/*" { capabilities = ["read"] })");
  const std::string request =
      Request("GET", "sys/events/explain/" + std::string(200'000, 'a'), token, "");
  attack.Repeat(6, [=, &attack] { attack.Shoot(request); });
}

void SubscribeToLongTypes(Attack& attack) {
  const std::string token = attack.belfry.CreateToken("long", Rules(1));
  for (int i = 0; i < 60; ++i) {
    attack.Hold(Upgrade(absl::StrCat(std::string(300'000, 'a'), i), "json=true", token));
  }
}

void SubscribeInManyNamespaces(Attack& attack) {
  const std::string token = attack.belfry.CreateToken("spaces", Rules(1));
  for (int i = 0; i < 200; ++i) {
    attack.Hold(Upgrade("kv*", absl::StrCat("namespaces=", std::string(400'000, 'n'), i), token));
  }
}

void FiltersOfTheRightless(Attack& attack) {
  const std::string token = attack.belfry.CreateToken("none", Rules(1));
  for (int i = 0; i < 80; ++i) {
    attack.Hold(
        Upgrade("*", Filter(absl::StrCat("data_path matches `(a|b)*a(a|b){20}c", i, "`")), token));
  }
}

// Its automaton has more states than may be kept, so that it is worked out byte by byte.
void OneExpensiveFilter(Attack& attack) {
  std::string filter;
  for (int i = 0; i < 8; ++i) {
    absl::StrAppend(&filter, i == 0 ? "" : " or ", "data_path matches `(a|b)*a(a|b){250}c", i, "`");
  }
  attack.Hold(Upgrade("*", Filter(filter), "root"));
  const std::string request =
      Request("PUT", "secret/data/" + Repeated("abbabaab", 900), "root", R"({"data":{"a":"1"}})");
  attack.Repeat(2, [=, &attack] { attack.Shoot(request); });
}

// Each takes 70 ms to read, before it is seen that no WebSocket is asked for.
void FiltersThatAreLongToRead(Attack& attack) {
  const std::string token = attack.belfry.CreateToken("reader", Rules(1));
  std::string choices;
  for (int i = 0; i < 100; ++i)
    absl::StrAppend(&choices, i == 0 ? "" : "|", "a", i, "[^b]*c{1,30}");
  std::string filter;
  for (int i = 0; i < 8; ++i)
    absl::StrAppend(&filter, i == 0 ? "" : " or ", "data_path matches `", choices, "`");
  const std::string request =
      Request("GET", "sys/events/subscribe/kv*?" + Filter(filter), token, "");
  attack.Repeat(60, [=, &attack] { attack.Shoot(request); });
}

void PoliciesOfManyRules(Attack& attack) {
  Belfry& belfry = attack.belfry;
  belfry.Ask("PUT", "sys/policies/acl/large",
             absl::StrCat(R"({"policy":")", absl::Base64Escape(Rules(2000)), R"("})"));
  for (int i = 0; i < 400; ++i) {
    belfry.Ask("POST", "auth/token/create",
               absl::StrCat(R"({"id":"many-)", i, R"(","policies":["large","nope-)", i, R"("]})"));
  }
  attack.Once([&attack] {
    for (int i = 0; i < 400; ++i) {
      attack.Shoot(Request("GET", "auth/token/lookup-self", absl::StrCat("many-", i), ""));
    }
    for (int i = 0; i < 400; ++i) {
      attack.Shoot(Request("POST", "auth/token/revoke", "root",
                           absl::StrCat(R"({"token":"many-)", i, R"("})")));
    }
  });
}

void LargeBodiesForAForbiddenPath(Attack& attack) {
  attack.belfry.Ask("POST", "auth/token/create", R"({"id":"default","policies":["default"]})");
  const std::string body = absl::StrCat(R"({"a":[)", Repeated("0,", 15'500'000), "0]}");
  const auto request =
      std::make_shared<const std::string>(Request("PUT", "secret/data/x", "default", body));
  attack.Repeat(6, [=, &attack] { attack.Shoot(*request); });
}

void UnmountsUnderSlowRequests(Attack& attack) {
  for (int i = 0; i < 4; ++i) {
    const std::string mount = absl::StrCat("evil", i);
    attack.belfry.Ask("POST", "sys/mounts/" + mount, R"({"type":"emitter"})");
    attack.Once([=, &attack] {
      attack.Shoot(Request("PUT", mount + "/emit", "root", R"({"count":100000})"));
    });
    attack.Once([=, &attack] {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      attack.Shoot(Request("DELETE", "sys/mounts/" + mount, "root", ""));
    });
  }
  attack.Repeat(1, [&attack] {
    attack.Shoot(Request("POST", "auth/token/revoke", "root", R"({"token":"nobody"})"));
  });
}

// All plugins but the emitter.
void ReloadOfAStoppedPlugin(Attack& attack) {
  for (int i = 0; i < 12; ++i) {
    attack.belfry.Ask("POST", absl::StrCat("sys/mounts/more", i), R"({"type":"kv"})");
  }
  for (const pid_t plugin : Descendants(attack.belfry.pid())) kill(plugin, SIGSTOP);
  attack.Once([&attack] {
    attack.Shoot(Request("PUT", "sys/plugins/reload/secret/kv", "root", "{}"));
    for (const pid_t plugin : Descendants(attack.belfry.pid())) kill(plugin, SIGCONT);
  });
}

// No decision about these paths is kept when they are published.
void BatchesOfNewPaths(Attack& attack) {
  attack.belfry.Ask("POST", "sys/mounts/evil", R"({"type":"emitter"})");
  const std::string token = attack.belfry.CreateToken("blind", Rules(1));
  for (int i = 0; i < 100; ++i) attack.Hold(Upgrade("*", "json=true", token));
  attack.Repeat(1, [&attack] {
    attack.Shoot(Request("PUT", "evil/emit", "root",
                         R"({"count":40960,"at_once":4096,"paths":40960,"first":0})"));
  });
}

// Subscribers have 16 different sets of policies, which the cache of rules has room for; one policy
// of all sets changes again and again.
void ChangesOfAPolicyOfManySets(Attack& attack) {
  Belfry& belfry = attack.belfry;
  const std::string rules =
      absl::StrCat(R"({"policy":")", absl::Base64Escape(Rules(2000)), R"("})");
  belfry.Ask("PUT", "sys/policies/acl/heavy", rules);
  for (int i = 0; i < 16; ++i) {
    belfry.Ask("PUT", absl::StrCat("sys/policies/acl/own-", i), R"({"policy":"path \"a\" {}"})");
    belfry.Ask("POST", "auth/token/create",
               absl::StrCat(R"({"id":"set-)", i, R"(","policies":["heavy","own-)", i, R"("]})"));
    attack.Hold(Upgrade("*", "json=true", absl::StrCat("set-", i)));
  }
  attack.Repeat(
      1, [=, &attack] { attack.Shoot(Request("PUT", "sys/policies/acl/heavy", "root", rules)); });
}

void PipelinesThatNobodyReads(Attack& attack) {
  constexpr int kConnections = 1000;
  const std::string requests = Repeated("GET /v1/sys/health HTTP/1.1\r\nHost: a\r\n\r\n", 2000);
  for (int i = 0; i < kConnections; ++i) {
    const int socket = attack.Hold("");
    (void)send(socket, requests.data(), requests.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

void IdleConnections(Attack& attack) {
  for (int i = 0; i < 300; ++i) attack.Hold("");
}

void LargeAnswersThatNobodyTakes(Attack& attack) {
  const std::string token =
      attack.belfry.CreateToken("large", R"(path "secret/data/large" { capabilities = ["read"] })");
  attack.belfry.Ask("PUT", "secret/data/large",
                    absl::StrCat(R"({"data":{"a":")", std::string(8 << 20, 'x'), R"("}})"));
  const std::string request = Request("GET", "secret/data/large", token, "");
  for (int i = 0; i < 150; ++i) send(attack.Hold(""), request.data(), request.size(), MSG_NOSIGNAL);
}

void LargeAnswersAtOnce(Attack& attack) {
  attack.belfry.Ask("PUT", "cubbyhole/large",
                    absl::StrCat(R"({"a":")", std::string(4'000'000, 'x'), R"("})"));
  const std::string request = Request("GET", "cubbyhole/large", "root", "");
  attack.Repeat(64, [=, &attack] { attack.Shoot(request); });
}

// What the plugin reads for each is large, what it answers is small.
void LargeReadsOfSmallAnswers(Attack& attack) {
  attack.belfry.Ask("PUT", "secret/data/large",
                    absl::StrCat(R"({"data":{"a":")", std::string(8 << 20, 'x'), R"("}})"));
  const std::string request = Request("GET", "secret/subkeys/large", "root", "");
  attack.Repeat(150, [=, &attack] { attack.Shoot(request); });
}

void ListsOfManyNames(Attack& attack) {
  int number = 0;
  HttpLoad(attack.belfry.port(), 8).Send(12'000, [&] {
    return Request("PUT", absl::StrCat("secret/data/many/name-", number++), "root",
                   R"({"data":{"a":"1"}})");
  });
  const std::string request = Request("LIST", "secret/metadata/many/", "root", "");
  attack.Repeat(200, [=, &attack] { attack.Shoot(request); });
}

struct Input {
  const char* number;
  const char* what;
  void (*begin)(Attack&);
  // What the other client writes; of a stopped plugin nobody can ask anything.
  const char* written = "secret/data/witness";
  Witness::Connections connections = Witness::Connections::kOne;
  rlim_t descriptors = 0;  // 0: as many as we have.
};

constexpr Input kInputs[] = {
    {"17", "2 x capabilities of a path of 1.4 MB", &CapabilitiesOfALongPath},
    {"17", "2 x URL of 400,000 segments", &UrlOfManySegments},
    {"18", "6 x explain of a type of 200 KB", &ExplainALongType},
    {"18", "60 subscriptions to types of 300 KB", &SubscribeToLongTypes},
    {"19", "80 filters of a token without rights", &FiltersOfTheRightless},
    {"19", "an expensive filter on long paths", &OneExpensiveFilter},
    {"--", "60 x a filter that is long to read", &FiltersThatAreLongToRead, "cubbyhole/witness"},
    {"20", "400 tokens with 2,000 rules each", &PoliciesOfManyRules},
    {"21", "6 x 31 MB to a forbidden path", &LargeBodiesForAForbiddenPath},
    {"--", "batches of 4,096 new paths, 100 blind", &BatchesOfNewPaths},
    {"--", "changes of a policy in 16 sets", &ChangesOfAPolicyOfManySets},
    {"22", "4 mounts removed under slow requests", &UnmountsUnderSlowRequests},
    {"23", "reload of a stopped plugin, 13 mounts", &ReloadOfAStoppedPlugin, "cubbyhole/witness"},
    {"24", "300 idle connections, 256 descriptors", &IdleConnections, "secret/data/witness",
     Witness::Connections::kOneForEach, 256},
    {"--", "1,000 x 2,000 requests, nobody reads", &PipelinesThatNobodyReads, "secret/data/witness",
     Witness::Connections::kOneForEach},
    {"79", "200 subscriptions, namespaces of 400 KB", &SubscribeInManyNamespaces},
    {"--", "150 reads of 8 MiB, nobody takes them", &LargeAnswersThatNobodyTakes},
    {"--", "64 x an answer of 4 MB", &LargeAnswersAtOnce},
    {"--", "150 x the keys of a secret of 8 MiB", &LargeReadsOfSmallAnswers},
    {"--", "200 x a list of 12,000 names", &ListsOfManyNames},
};

// Lowers the limit of what is started as long as it exists.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t limit) {
    getrlimit(RLIMIT_NOFILE, &before_);
    if (limit == 0) return;
    const rlimit lower{.rlim_cur = limit, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &lower);
  }
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

 private:
  rlimit before_{};
};

std::unique_ptr<Belfry> Start(const std::string& bin, rlim_t descriptors) {
  const DescriptorLimit limit(descriptors);
  return std::make_unique<Belfry>(bin);
}

std::string Shown(double worst, int failures) {
  if (failures == 0) return absl::StrFormat("%8.1f ms", worst);
  return absl::StrFormat("%8.1f ms, %d refused", worst, failures);
}

// The number of aims that were missed.
int Measure(const std::string& bin, const Input& input) {
  const std::unique_ptr<Belfry> belfry = Start(bin, input.descriptors);
  const std::string write = Request("PUT", input.written, "root", R"({"data":{"a":"1"}})");
  belfry->Ask("PUT", input.written, R"({"data":{"a":"1"}})");
  Witness health(belfry->port(), RequestText("GET", "sys/health", ""), input.connections);
  Witness writer(belfry->port(), write, input.connections);
  Attack attack(*belfry);
  input.begin(attack);
  std::this_thread::sleep_for(Time());
  const double worst_health = health.Worst();
  const double worst_write = writer.Worst();
  attack.End();
  int missed = 0;
  for (const auto& [worst, failures] :
       {std::pair(worst_health, health.failures()), std::pair(worst_write, writer.failures())}) {
    if (worst > kAimMs || failures > 0) ++missed;
  }
  std::cout << absl::StrFormat("  %s  %-40s health %s   write %s   %s\n", input.number, input.what,
                               Shown(worst_health, health.failures()),
                               Shown(worst_write, writer.failures()),
                               missed == 0 ? "held" : "MISSED")
            << std::flush;
  return missed;
}

}  // namespace

int MeasureHostile(const std::string& bin) {
  double load[1] = {};
  if (getloadavg(load, 1) != 1) Die("no load average");
  std::cout << absl::StrFormat(
      "\nwhat another client waits for at worst while somebody sends this for %.1f s; aim: at "
      "most\n"
      "%.0f ms each; load average before: %.1f\n",
      static_cast<double>(Time().count()) / 1000, kAimMs, load[0]);
  int missed = 0;
  for (const Input& input : kInputs) missed += Measure(bin, input);
  return missed;
}

}  // namespace belfry::bench
