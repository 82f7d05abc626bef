#include "belfry/testing/fake_host.h"

#include <cstdio>
#include <cstdlib>

#include "sdk/src/engine_instance.h"
#include "sdk/src/testing/asked.h"
#include "sdk/src/testing/fake_storage.h"
#include "sdk/src/testing/hand_clock.h"
#include "sdk/src/testing/recorded_events.h"
#include "sdk/src/testing/recorded_log.h"

namespace belfry::testing {
namespace {

// Hands events to the host's record; nothing is logged, since tests read the record.
class RecordingSender final : public EventSender {
 public:
  explicit RecordingSender(RecordedEvents* events) : events_(events) {}

 private:
  std::vector<absl::Status> DoSend(absl::Span<const Event> events) override {
    std::vector<absl::Status> answers;
    for (const Event& event : events) answers.push_back(events_->Accept(event));
    return answers;
  }
  void LogFailure(std::string_view, const absl::Status&) override {}

  RecordedEvents* const events_;
};

class FakeHost final : public TestHost {
 public:
  FakeHost(void (*define)(Engine&), MountOptions options, EngineKind kind)
      : define_(define), kind_(kind) {
    Mount(std::move(options));
  }
  ~FakeHost() override { engine_->Cleanup(); }

  void Restart(MountOptions options) override {
    engine_->Cleanup();
    Mount(std::move(options));
  }
  absl::Status RunBackground() override { return engine_->RunBackground({}); }
  FakeStorage& storage() override { return storage_; }
  std::vector<SentEvent> events() const override { return events_.All(); }
  void RefuseEvents(absl::Status status) override { events_.Refuse(std::move(status)); }
  std::vector<LoggedLine> log() const override { return log_.All(); }
  void SetTtls(LeaseTtls ttls) override { ttls_.Set(ttls); }
  absl::Time Now() const override { return clock_.Now(); }
  void Advance(absl::Duration by) override { clock_.Advance(by); }

  void Invalidate(std::string_view key) override { engine_->Invalidate(key); }

 private:
  void Mount(MountOptions options) {
    absl::StatusOr<std::unique_ptr<internal::EngineInstance>> engine =
        internal::EngineInstance::Create(define_, {.options = std::move(options),
                                                   .backend_uuid = "fake-host",
                                                   .storage = &storage_,
                                                   .events = &sender_,
                                                   .now = [this] { return clock_.Now(); },
                                                   .log = &log_,
                                                   .kind = kind_,
                                                   .ttls = [this] { return ttls_.Get(); }});
    if (!engine.ok()) {
      std::fprintf(stderr, "belfry: the plugin is described wrongly: %s\n",
                   engine.status().ToString().c_str());
      std::abort();
    }
    engine_ = *std::move(engine);
    if (const absl::Status status = engine_->Initialize(); !status.ok()) {
      std::fprintf(stderr, "belfry: the plugin did not initialize: %s\n",
                   status.ToString().c_str());
      std::abort();
    }
  }

  Result Answer(const Asked& asked) override {
    internal::OutgoingReply reply = engine_->Handle(Incoming(asked));
    if (reply.error) return ToStatus(*reply.error);
    return *std::move(reply.response);
  }
  absl::StatusOr<std::optional<bool>> Exists(const Asked& asked) override {
    return engine_->CheckExistence(Incoming(asked));
  }
  internal::IncomingRequest Incoming(const Asked& asked) {
    internal::IncomingRequest request;
    request.operation = asked.operation;
    request.id = kRequestId;
    request.path = asked.path;
    request.data = asked.data;
    request.caller.display_name = "token";
    request.storage = &storage_;
    request.events = &sender_;
    const absl::Time issued = clock_.Now() - asked.renewal.age;
    if (asked.leased != nullptr && asked.leased->lease()) {
      request.secret = {asked.leased->secret_kind(),
                        {*asked.leased->lease(), issued, asked.renewal.increment}};
    }
    if (asked.leased != nullptr && asked.leased->grant()) {
      request.grant = {*asked.leased->grant(), issued, asked.renewal.increment};
    }
    return request;
  }

  void (*const define_)(Engine&);
  const EngineKind kind_;
  RecordedEvents events_;
  InMemoryFakeStorage storage_{&events_};
  RecordingSender sender_{&events_};
  HandClock clock_;
  RecordedLog log_;
  SetTerms ttls_;
  std::unique_ptr<internal::EngineInstance> engine_;
};

}  // namespace

std::unique_ptr<TestHost> NewFakeHost(void (*define)(Engine&), MountOptions options) {
  return std::make_unique<FakeHost>(define, std::move(options), EngineKind::kSecrets);
}

std::unique_ptr<TestHost> NewFakeAuthHost(void (*define)(Engine&), MountOptions options) {
  return std::make_unique<FakeHost>(define, std::move(options), EngineKind::kAuth);
}

}  // namespace belfry::testing
