#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "belfry/engine.h"

namespace belfry::testing {

// An event that a plugin sent, as it left the plugin.
struct SentEvent {
  std::string type;
  std::map<std::string, std::string> metadata;
};

// A line that a plugin wrote to its log.
struct LoggedLine {
  LogLevel level;
  std::string message;
  std::map<std::string, std::string> fields;
};

// Where the time of a test host stands until Advance moves it: 2023-11-14 22:13:20 UTC.
inline constexpr absl::Time kStartOfTime = absl::FromUnixSeconds(1'700'000'000);

// The mount's keys in memory, with a switch for each fault. Thread-safe.
class FakeStorage : public Storage {
 public:
  // The next call fails with this status.
  virtual void FailNext(absl::Status status) = 0;
  // So many operations go well and the next fails. Meanwhile batches are done one by one, as by
  // hosts that know none.
  virtual void FailAfter(int operations, absl::Status status) = 0;
  // Writes fail with FailedPrecondition until Writable.
  virtual void ReadOnly() = 0;
  virtual void Writable() = 0;
};

struct Asked;

using MountOptions = std::map<std::string, std::string>;

// How a leased secret or a login is asked to be renewed.
struct Renewal {
  absl::Duration increment = absl::ZeroDuration();
  // How long ago it was leased.
  absl::Duration age = absl::ZeroDuration();
};

// A host for one mount, for tests of plugins. The same calls work on NewFakeHost (no process, no
// socket, no time passing) and on NewWireHost (the same plugin over gRPC and mutual TLS in this
// process), so that a test can be run on both. Threads: safe; calls may run at once.
class TestHost {
 public:
  virtual ~TestHost() = default;
  Result Read(std::string_view path, Json::Object query = {});
  // Create or update, as the plugin's existence check decides.
  Result Write(std::string_view path, Json::Object fields);
  Result Patch(std::string_view path, Json::Object fields);
  Result Delete(std::string_view path, Json::Object query = {});
  Result List(std::string_view path, Json::Object query = {});
  // What `path-help` shows; an empty path is the whole engine. Data with `help` and `openapi`.
  Result Help(std::string_view path);
  // `leased` is what this host answered to a request of `path`: a Response::Secret or, to be
  // renewed, a Response::Login. The answer to a renewal has the new lease or grant.
  Result Renew(std::string_view path, const Response& leased, Renewal renewal = {});
  absl::Status Revoke(std::string_view path, const Response& leased);
  // A host does this about once a minute: what Engine::Every describes runs if it is due.
  // Unimplemented when there is none.
  absl::Status Tick();
  // The mount goes and comes back, with these options and the same storage.
  virtual void Restart(MountOptions options) = 0;
  // What Engine::InBackground describes is done now, by this thread, and only then (FakeHost
  // only; a WireHost does it by itself and stops the program). What failed is done again by the
  // next call.
  virtual absl::Status RunBackground() = 0;
  // As if another node had changed the key.
  virtual void Invalidate(std::string_view key) = 0;

  virtual FakeStorage& storage() = 0;
  // Every event that the host accepted, in order.
  virtual std::vector<SentEvent> events() const = 0;
  // Every later event is refused with this status; OK ends it.
  virtual void RefuseEvents(absl::Status status) = 0;
  // Every line that the plugin wrote to its log, in order.
  virtual std::vector<LoggedLine> log() const = 0;
  // What Engine::Ttls answers from now on; at first both are 768 hours.
  virtual void SetTtls(LeaseTtls ttls) = 0;
  // The time that the plugin sees, from kStartOfTime. Time stands still but for Advance, which runs
  // nothing by itself: Tick runs the hooks that have become due.
  virtual absl::Time Now() const = 0;
  virtual void Advance(absl::Duration by) = 0;

 private:
  virtual Result Answer(const Asked& asked) = 0;
  virtual absl::StatusOr<std::optional<bool>> Exists(const Asked& asked) = 0;
};

// Stops the program with a clear message when `define` or OnInitialize fails.
std::unique_ptr<TestHost> NewFakeHost(void (*define)(Engine&), MountOptions options = {});
std::unique_ptr<TestHost> NewWireHost(void (*define)(Engine&), MountOptions options = {});
// The same for plugins that are served as EngineKind::kAuth.
std::unique_ptr<TestHost> NewFakeAuthHost(void (*define)(Engine&), MountOptions options = {});
std::unique_ptr<TestHost> NewWireAuthHost(void (*define)(Engine&), MountOptions options = {});

}  // namespace belfry::testing
