// `./dev bench`: events from a plugin to the bus, and deliveries to WebSocket subscribers beside
// NATS core with the same payload, read by the same reader, in the same run. Prints medians of
// several rounds; says nothing about pass or fail.

#include <nats/nats.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/bench/drain.h"
#include "tests/bench/sockets.h"

extern char** environ;

namespace belfry::bench {
namespace {

constexpr int kRounds = 5;
// One burst must fit a subscriber's queue (8192 frames, 8 MiB): a subscriber that overflows is
// closed, and nothing would be measured.
constexpr std::int64_t kBurst = 4096;
constexpr std::int64_t kSenders = 64;

// A child process whose standard output we read line by line; ended when it goes out of scope.
class Child {
 public:
  explicit Child(const std::vector<std::string>& command) {
    int ends[2];
    if (pipe(ends) != 0) Die("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    std::vector<char*> argv;
    for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    if (posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ) != 0) {
      Die(absl::StrCat("cannot start ", command[0]));
    }
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_ = fdopen(ends[0], "r");
  }
  ~Child() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    fclose(output_);
  }
  // What follows `marker` in the first line that has it.
  std::string LineAfter(const std::string& marker) {
    char line[4096];
    while (fgets(line, sizeof line, output_) != nullptr) {
      const std::string_view text = line;
      if (const std::size_t at = text.find(marker); at != std::string_view::npos) {
        return std::string(text.substr(at + marker.size()));
      }
    }
    Die(absl::StrCat("a server ended without saying \"", marker, "\""));
  }

 private:
  pid_t pid_ = 0;
  FILE* output_ = nullptr;
};

std::uint16_t PortIn(const std::string& text) {
  std::uint32_t port = 0;
  const std::size_t colon = text.rfind(':');
  if (!absl::SimpleAtoi(
          text.substr(colon + 1, text.find_first_not_of("0123456789", colon + 1) - colon - 1),
          &port)) {
    Die(absl::StrCat("no port in: ", text));
  }
  return static_cast<std::uint16_t>(port);
}

double Seconds(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Events or deliveries a second: one round to warm up, then the median.
double Rate(std::int64_t amount, const std::function<void()>& round) {
  round();
  std::vector<double> rates;
  for (int i = 0; i < kRounds; ++i) rates.push_back(static_cast<double>(amount) / Seconds(round));
  return Median(rates);
}

// A Belfry server with the emitter plugin mounted at bench/.
class Belfry {
 public:
  explicit Belfry(const std::string& bin)
      : server_({bin + "/belfry", "server", "-dev", "-dev-root-token-id=root",
                 "-dev-listen-address=127.0.0.1:0", "-log-level=error",
                 "-dev-plugin-dir=" + bin + "/test-plugins"}),
        port_(PortIn(server_.LineAfter("export VAULT_ADDR="))),
        control_(ConnectTo(port_)) {
    server_.LineAfter("Root Token:");
    Call(control_, "POST", "sys/mounts/bench", R"({"type":"emitter"})");
  }
  ~Belfry() { close(control_); }

  void Emit(std::int64_t count, std::int64_t senders) {
    Call(control_, "PUT", "bench/emit",
         absl::StrCat("{\"count\":", count, ",\"senders\":", senders, "}"));
  }
  // Subscribes and hands the connection to the reader.
  void Subscribe(Drain& drain) {
    const int socket = ConnectTo(port_);
    SendAll(
        socket,
        absl::StrCat("GET /v1/sys/events/subscribe/kv*?json=true HTTP/1.1\r\nHost: "
                     "127.0.0.1\r\nX-Vault-Token: root\r\n",
                     "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                     "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"));
    std::string rest;
    const std::string head = ReadThrough(socket, "\r\n\r\n", &rest);
    if (!absl::StartsWith(head, "HTTP/1.1 101")) Die(absl::StrCat("no upgrade: ", head));
    drain.Add(socket, NewWebSocketCounter(), rest);
  }

 private:
  Child server_;
  std::uint16_t port_;
  int control_;
};

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
    ReadThrough(socket, "\r\n", &rest);  // INFO
    SendAll(socket, "CONNECT {\"verbose\":false}\r\nSUB kv 1\r\nPING\r\n");
    ReadThrough(socket, "PONG\r\n", &rest);
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
      if (!drain.WaitFor(target))
        Die(absl::StrCat("subscribers were closed or starved at ", drain.received()));
    }
  });
}

int Main(const std::string& bin) {
  signal(SIGPIPE, SIG_IGN);
  std::cout << absl::StrFormat("Medians of %d rounds on %d cores.\n\n", kRounds,
                               static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
  Belfry belfry(bin);
  std::cout << "plugin -> bus, no subscriber\n";
  for (const std::int64_t senders : {std::int64_t{1}, kSenders}) {
    const std::int64_t count = senders == 1 ? 4096 : 65536;
    std::cout << absl::StrFormat("  %2d threads sending  %10.0f events/s\n", senders,
                                 Rate(count, [&] { belfry.Emit(count, senders); }))
              << std::flush;
  }

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
  return 0;
}

}  // namespace
}  // namespace belfry::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: belfry-bench BIN  (the folder with belfry and test-plugins)\n";
    return 1;
  }
  try {
    return belfry::bench::Main(argv[1]);
  } catch (const std::exception& failure) {
    // Thrown, not exited, so that the servers under test have been stopped by now.
    std::cerr << "bench: " << failure.what() << std::endl;
    return 1;
  }
}
