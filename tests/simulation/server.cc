#include "tests/simulation/server.h"

#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/text.h"
#include "server/storage/committer.h"

namespace belfry::simulation {
namespace {

using storage::AcceptedEvent;
using storage::WriteBatch;

constexpr std::string_view kEpoch = "ordered/journal/epoch";

// Stands between a subscription and its queue, where others run before and after each call.
class Between final : public subscriptions::Subscriber {
 public:
  Between(std::shared_ptr<Subscriber> base, const journal::Journal* journal, Turns* turns, Bug bug)
      : base_(std::move(base)),
        journal_(journal),
        turns_(turns),
        bug_(bug),
        last_at_start_(journal->Kept().last) {}

  bus::OfferResult Offer(const bus::Frame& frame, std::uint64_t policy_version) override {
    turns_->LetOthersRun();
    const bus::OfferResult result = bug_ == Bug::kGapBetweenReplayAndLive && IsLost(*frame)
                                        ? bus::OfferResult::kAccepted
                                        : base_->Offer(frame, policy_version);
    turns_->LetOthersRun();
    return result;
  }
  void Overflow() override { base_->Overflow(); }
  bool HasRoom() const override {
    const bool room = base_->HasRoom();
    turns_->LetOthersRun();
    return room;
  }
  bool AwaitRoom(absl::AnyInvocable<void()> wake) override {
    turns_->LetOthersRun();
    const bool room = base_->AwaitRoom(std::move(wake));
    turns_->LetOthersRun();
    return room;
  }
  void OnPause(std::uint64_t position, Pause pause) override {
    turns_->LetOthersRun();
    base_->OnPause(position, pause);
    turns_->LetOthersRun();
  }
  // What these wait for must go on meanwhile.
  void End(std::string_view reason) override { base_->End(reason); }
  void AwaitSending() override { base_->AwaitSending(); }

 private:
  // A planted bug: the first event that is not replayed but comes as it is published gets lost,
  // where a subscription that has replayed some would go over to live events.
  bool IsLost(const bus::Message& frame) {
    // Notices have no path.
    if (live_ || frame.path.empty()) return false;
    live_ = journal_->Kept().last > last_at_start_;
    return std::exchange(replayed_, true) && live_;
  }

  const std::shared_ptr<Subscriber> base_;
  const journal::Journal* const journal_;
  Turns* const turns_;
  const Bug bug_;
  const std::uint64_t last_at_start_;
  bool live_ = false;
  bool replayed_ = false;
};

}  // namespace

// The way to the barrier, at which the power may fail.
class Server::Door final : public storage::PhysicalStorage {
 public:
  Door(Server* server, storage::PhysicalStorage* below) : server_(server), below_(below) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return below_->Get(key);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    return below_->List(prefix);
  }
  absl::StatusOr<std::vector<storage::Entry>> Scan(std::string_view prefix, std::string_view after,
                                                   std::size_t limit) const override {
    LetOthersRun();
    auto entries = below_->Scan(prefix, after, limit);
    LetOthersRun();
    return entries;
  }
  std::unique_ptr<storage::Snapshot> TakeSnapshot() const override {
    return below_->TakeSnapshot();
  }

  absl::Status Write(std::span<WriteBatch* const> batches) override {
    server_->OnWrite();
    LetOthersRun();
    if (server_->crashed_) return absl::AbortedError("the server has crashed");
    const ServerEnvironment& environment = server_->environment_;
    const FaultyDisk::Fault fault = NextFault();
    environment.disk->FailNext(fault);
    absl::Status written = below_->Write(batches);
    if (written.ok()) {
      environment.facts->OnStored();
    } else if (fault == FaultyDisk::Fault::kSyncFails || fault == FaultyDisk::Fault::kPowerFails) {
      environment.facts->OnUncertain();
    } else {
      environment.facts->OnRefused();
    }
    if (fault == FaultyDisk::Fault::kPowerFails) server_->crashed_ = true;
    LetOthersRun();
    return written;
  }

 private:
  void LetOthersRun() const {
    if (server_->started_) server_->environment_.turns->LetOthersRun();
  }
  FaultyDisk::Fault NextFault() const {
    Random& random = *server_->environment_.random;
    if (!server_->started_ || server_->environment_.disk->read_only() ||
        !random.PerMille(server_->environment_.write_faults))
      return FaultyDisk::Fault::kNone;
    switch (random.Below(3)) {
      case 0:
        return FaultyDisk::Fault::kRefused;
      case 1:
        return FaultyDisk::Fault::kSyncFails;
      default:
        return FaultyDisk::Fault::kPowerFails;
    }
  }

  Server* const server_;
  storage::PhysicalStorage* const below_;
};

class Server::Observer final : public storage::EventObserver {
 public:
  Observer(Server* server, bus::Bus* bus) : server_(server), bus_(bus) {}

  void OnEvents(std::span<const AcceptedEvent> events) override {
    if (server_->environment_.bug == Bug::kPublishBeforeCommit) return;
    Tell(events);
  }
  std::size_t MostEventsAtOnce() const override { return bus_->MostEventsAtOnce(); }

  void Tell(std::span<const AcceptedEvent> events) {
    server_->environment_.turns->LetOthersRun();
    if (server_->crashed_) return;
    bus_->OnEvents(events);
    server_->environment_.facts->OnOffered(events.back().sequence);
    server_->environment_.turns->LetOthersRun();
  }

 private:
  Server* const server_;
  bus::Bus* const bus_;
};

class Server::Log final : public storage::EventLog {
 public:
  explicit Log(Server* server) : server_(server) {}

  void Record(storage::CommittedEvents events, WriteBatch* records) override {
    server_->OnRecord();
    server_->journal_.Record(events, records);
    if (server_->crashed_) return;
    server_->environment_.facts->OnRecorded(events);
    if (server_->environment_.bug != Bug::kPublishBeforeCommit) return;
    for (const std::span<AcceptedEvent> some : events) server_->observer_->Tell(some);
  }
  void Keep(storage::CommittedEvents events) override {
    if (server_->crashed_) return;
    // A planted bug: what was stored is forgotten, and its places are given again.
    if (server_->environment_.bug == Bug::kCursorGivenTwice &&
        server_->environment_.random->OneIn(8))
      return;
    server_->journal_.Keep(events);
    server_->environment_.turns->LetOthersRun();
  }

 private:
  Server* const server_;
};

// Time passes while it is asked for, so that turns end in the midst of things.
class Server::WorkingClock final : public Clock {
 public:
  WorkingClock(FakeClock* base, Random* random) : base_(base), random_(random) {}
  absl::Time Now() const override { return base_->Now(); }
  SteadyTime Steady() const override {
    if (random_->OneIn(8)) base_->Advance(absl::Microseconds(random_->Below(1500)));
    return base_->Steady();
  }

 private:
  FakeClock* const base_;
  Random* const random_;
};

Server::Server(const ServerEnvironment& environment, const seal::Keyring& keyring,
               const seal::SecretBytes& root_key)
    : environment_(environment),
      barrier_(environment.disk, environment.clock),
      door_(std::make_unique<Door>(this, &barrier_)),
      clock_(std::make_unique<WorkingClock>(environment.clock, environment.random)),
      session_context_(nullptr, environment.clock, environment.scheduler, environment.limits,
                       http::Connections::Bounds{.staying = 1000, .leaving = 1000}, *metrics_,
                       Logger()),
      bus_(bus::Bus::Create(clock_.get(), metrics_.get(), environment.limits,
                            environment.executor->New("filters"))),
      journal_(door_.get(), metrics_.get(), environment.retention),
      followers_(&journal_, clock_.get(), environment.scheduler, metrics_.get(),
                 environment.executor->New("followers"), Logger()),
      observer_(std::make_unique<Observer>(this, bus_.get())),
      log_(std::make_unique<Log>(this)),
      storage_(storage::NewCommitter(door_.get(), observer_.get(), log_.get())) {
  barrier_.Unseal(keyring, root_key.Copy());
}

Server::~Server() = default;

absl::Status Server::Start() {
  journal_.OnMore([this] {
    followers_.OnMore();
    if (MayCommitChanges()) Trim();
  });
  if (absl::Status chosen = ChooseEpoch(); !chosen.ok()) return chosen;
  absl::Status opened = journal_.Open();
  if (!opened.ok()) return opened;
  absl::Status recovered = environment_.facts->Recover(
      journal_, [this](const std::string& key) { return storage_->Get(key); });
  started_ = recovered.ok();
  return recovered;
}

// The journal would take a random one, which would be another one in each run.
absl::Status Server::ChooseEpoch() {
  const absl::StatusOr<std::optional<std::string>> stored = barrier_.Get(kEpoch);
  if (!stored.ok() || *stored) return stored.status();
  WriteBatch batch;
  batch.Put(std::string(kEpoch), absl::StrFormat("%016x", environment_.random->Next()));
  WriteBatch* const one = &batch;
  return barrier_.Write({&one, 1});
}

absl::StatusOr<std::optional<std::string>> Server::Get(std::string_view key) const {
  return storage_->Get(key);
}

void Server::Commit(WriteBatch batch, storage::Storage::Done done) {
  if (committing_) return storage_->Commit(std::move(batch), std::move(done));
  committing_ = true;
  writes_ = 0;
  storage_->Commit(std::move(batch), std::move(done));
  committing_ = false;
}

void Server::OnRecord() {
  recorded_ = true;
  ++writes_;
}

void Server::OnWrite() {
  // Whatever the committer's own thread did would make the run another one each time.
  if (std::this_thread::get_id() != thread_) std::abort();
  if (!std::exchange(recorded_, false)) ++writes_;
}

void Server::Trim() {
  std::optional<WriteBatch> expired = journal_.TakeExpired(environment_.clock->Now());
  if (expired) Commit(*std::move(expired), [](const absl::Status&) {});
}

absl::StatusOr<subscriptions::OpenedSubscription> Server::Open(
    subscriptions::Request request, std::shared_ptr<subscriptions::Subscriber> subscriber) {
  auto between = std::make_shared<Between>(std::move(subscriber), &journal_, environment_.turns,
                                           environment_.bug);
  return subscriptions::Open({.authorizer = environment_.policies,
                              .bus = bus_.get(),
                              .followers = &followers_,
                              .subscribers = &subscribers_,
                              .limits = environment_.limits},
                             std::move(request), std::move(between));
}

Server::Counts Server::counts() const {
  const auto value = [this](std::string_view what) {
    return metrics_->GetCounter(Concat({"belfry_events_", what, "_total"}), "").Value();
  };
  Counts counts{.published = value("published")};
  for (const char* const what : {"delivered", "filtered", "denied", "missed", "abandoned"})
    counts.accounted += value(what);
  return counts;
}

}  // namespace belfry::simulation
