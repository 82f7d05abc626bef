#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/descriptor.h"
#include "base/limits.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "grpcpp/channel.h"
#include "sdk/wire/credentials.h"
#include "sdk/wire/handshake.h"
#include "server/mounts/plugin_catalog.h"
#include "server/plugin_host/broker_stream.h"
#include "server/plugin_host/handshake_reader.h"
#include "server/plugin_host/plugin_program.h"
#include "server/plugin_host/process.h"
#include "server/plugin_host/running_processes.h"
#include "server/plugin_host/socket_directory.h"
#include "server/plugin_host/stdio_stream.h"

namespace belfry::plugin_host {

// A plugin's process after its handshake: connected with mutual TLS, its output drained, its broker
// open. Thread-safe. Destroying it stops the plugin: Shutdown, the time of Limits, SIGKILL; then
// its folder of sockets is removed. (plugin-protocol 1, 2, 3)
class PluginProcess {
 public:
  struct Observer {
    // Runs once, when the plugin has answered a request for the first time.
    std::function<void()> on_first_answer;
    // Runs when a started plugin has ended by itself, although nobody has asked it to; on the
    // thread that watches it. What the host has stopped or killed is no crash.
    std::function<void(const ExitStatus&)> on_crash;
  };

  // `sockets` and `all` must outlive it; `now` is what Description gives as its start. Unavailable,
  // with one sentence that names the plugin, for each way in which a start can fail.
  static absl::StatusOr<std::unique_ptr<PluginProcess>> Start(
      const PluginProgram& program, SocketDirectory* sockets, RunningProcesses* all,
      const Limits& limits, Observer observer, absl::Time now, const Logger& logger);
  ~PluginProcess();

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const wire::Trust& trust() const { return trust_; }
  // Where this process's sockets lie, the host's for it included.
  const std::string& folder() const { return folder_; }
  // Of the program that was started, in hex.
  const std::string& sha256() const { return sha256_; }
  // Whether it serves several mounts at once. (plugin-protocol 4.2)
  bool multiplexes() const { return multiplexes_; }
  // What it serves, for Description.
  void AddMount(const std::string& path);
  void RemoveMount(const std::string& path);
  mounts::PluginProcesses::Process Description() const;
  // A number for a listener of the host, which no other has had.
  std::uint32_t NextListenerId() { return ++listener_ids_; }
  // It has answered a request.
  void NoteAnswer();
  pid_t pid() const { return pid_; }
  bool running() const { return process_->running(); }
  // Whether it can be spoken to, now.
  enum class Health {
    kAnswers,
    kSilent,        // Its health check has not been answered in time.
    kDisconnected,  // There is no connection to it: most often it ends, or has ended.
  };
  // Blocks for Limits::plugin_probe_timeout at most.
  Health Look() const;
  bool Answers() const { return Look() == Health::kAnswers; }
  // Looks, and kills it unless it answers, and waits for its end: then every call to it has ended,
  // too. Of all that ask at the same time one looks; the others wait for what that finds.
  Health KillIfSilent();
  // The same for who has looked already. What ends by itself is given the time to.
  void KillSilent(Health health);
  // "; its standard error ends with: …" for operators, or nothing. Waits a moment for the end of a
  // process that cannot be spoken to any more.
  std::string QuotedAtEnd();
  // Tells the plugin where the listener with this id is. False when the plugin is gone.
  bool Announce(std::uint32_t id, const std::string& socket);

 private:
  PluginProcess(std::string folder, const Limits& limits, Observer observer, absl::Time now,
                const Logger& logger);
  absl::Status CheckSum(const PluginProgram& program, const Descriptor& file);
  absl::StatusOr<std::vector<std::string>> CommandLine(const PluginProgram& program,
                                                       const SocketDirectory& sockets) const;
  absl::Status Launch(const PluginProgram& program, SocketDirectory* sockets,
                      RunningProcesses* all);
  absl::Status Connect(const wire::Handshake& handshake);
  void AskMultiplexing();
  std::string Quoted();
  void OnExit(const ExitStatus& status);
  // SIGKILL, and a line that says why; does not wait.
  void Kill(std::string_view reason);
  grpc::Status AskHealth(absl::Duration limit) const;
  void AskToStop();

  const std::string folder_;
  const Limits limits_;
  const Observer observer_;
  const absl::Time started_;
  const Logger logger_;
  std::string sha256_;
  bool multiplexes_ = false;
  std::atomic<std::uint32_t> listener_ids_ = 0;
  // Between the two its end is a crash, unless it was killed.
  std::atomic<bool> ready_ = false;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> answered_ = false;
  Mutex probing_;  // Held while somebody looks whether it answers.
  mutable Mutex mounts_mutex_;
  std::multiset<std::string> mounts_ ABSL_GUARDED_BY(mounts_mutex_);
  wire::Trust trust_;
  LogBudget log_budget_;  // The next and the stdio stream write on it.
  HandshakeReader reader_;
  std::unique_ptr<Process> process_;
  pid_t pid_ = 0;  // Its end is told of while it is being destroyed.
  std::unique_ptr<RunningProcesses::Registration> registration_;  // Goes before the process.
  std::shared_ptr<grpc::Channel> channel_;                        // Shared: gRPC's own type.
  std::unique_ptr<StdioStream> stdio_;
  std::unique_ptr<BrokerStream> broker_;
};

}  // namespace belfry::plugin_host
