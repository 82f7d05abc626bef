#include "tests/simulation/simulation.h"

#include <algorithm>
#include <array>
#include <utility>

#include "proto/vault/event.pb.h"
#include "server/journal/cursor.h"
#include "tests/simulation/text.h"

namespace belfry::simulation {
namespace {

constexpr int kDeepest = 2;
constexpr std::array<std::string_view, 3> kTypes = {"kv-v2/data-write", "kv-v2/data-delete",
                                                    "notes/write"};
constexpr std::array<std::string_view, 4> kPatterns = {"*", "kv-v2/*", "notes/write",
                                                       "kv-v2/data-write"};
constexpr std::array<std::string_view, 2> kOperations = {"write", "delete"};
constexpr std::size_t kKeys = 5;
constexpr std::string_view kJournal = "ordered/journal/";

std::string BytesOf(const Event& event, std::size_t padding) {
  logical::EventReceived received;
  received.set_event_type(event.type);
  received.mutable_event()->set_id(event.id);
  auto& metadata = *received.mutable_event()->mutable_metadata()->mutable_fields();
  metadata["operation"].set_string_value(event.operation);
  if (padding > 0) metadata["note"].set_string_value(std::string(padding, '.'));
  return received.SerializeAsString();
}

}  // namespace

Simulation::Simulation(std::uint64_t seed, Bug bug)
    : random_(seed),
      root_key_(seal::SecretBytes::Random(32)),
      keyring_(clock_.Now()),
      environment_(ChooseEnvironment(bug)),
      weights_(ChooseWeights()),
      interleaving_(random_.OneOf<std::uint64_t>({0, 50, 300, 600})) {
  if (bug == Bug::kAcknowledgedBeforeSync) disk_.AcknowledgeBeforeSync();
  if (bug == Bug::kJudgedByOldPolicy) policies_.Lag();
  MakeClients();
}

Simulation::~Simulation() {
  executor_.Drop();
  clients_.clear();
}

// Runs differ in what is frequent in them.
Simulation::Weights Simulation::ChooseWeights() {
  Weights weights{};
  const auto set = [&](Action action, std::uint64_t least, std::uint64_t most) {
    weights[static_cast<std::size_t>(action)] = random_.Between(least, most);
  };
  set(Action::kWrite, 50, 300);
  set(Action::kWork, 50, 300);
  set(Action::kStrand, 100, 400);
  set(Action::kRead, 50, 400);
  set(Action::kConnect, 20, 60);
  set(Action::kDisconnect, 0, 15);
  set(Action::kChangePolicy, 0, 20);
  set(Action::kAcknowledgePolicy, 10, 40);
  set(Action::kRevoke, 0, 4);
  set(Action::kTrim, 0, 10);
  set(Action::kPassTime, 20, 80);
  set(Action::kSettle, 0, 12);
  set(Action::kCrash, 0, 6);
  set(Action::kRestart, 0, 4);
  if (random_.OneIn(5)) set(Action::kRestore, 1, 3);
  if (random_.OneIn(10)) set(Action::kFlipBit, 1, 5);
  return weights;
}

ServerEnvironment Simulation::ChooseEnvironment(Bug bug) {
  ServerEnvironment environment{.disk = &disk_,
                                .clock = &clock_,
                                .scheduler = &scheduler_,
                                .executor = &executor_,
                                .random = &random_,
                                .policies = &policies_,
                                .facts = &facts_,
                                .turns = this,
                                .bug = bug};
  environment.write_faults = random_.OneOf<std::uint64_t>({0, 5, 20, 60});
  environment.limits.max_queued_frames = random_.OneOf<std::size_t>({12, 64, 8192});
  environment.limits.max_queued_bytes =
      random_.OneOf<std::size_t>({std::size_t{128} << 10, std::size_t{8} << 20});
  environment.retention.max_bytes =
      random_.OneOf<std::uint64_t>({2'000, 10'000, 100'000, 64 << 20});
  environment.retention.max_age =
      random_.OneOf<absl::Duration>({absl::Seconds(30), absl::Minutes(10), absl::Hours(168)});
  return environment;
}

void Simulation::MakeClients() {
  const std::size_t count = random_.Between(2, 8);
  Client::Options options;
  for (std::size_t i = 0; i < count; ++i) {
    // Some ask for the same as the one before.
    if (i == 0 || !random_.OneIn(4)) options = ChooseClient();
    options.number = i;
    clients_.push_back(std::make_unique<Client>(options, &history_, &facts_, &policies_));
  }
}

Client::Options Simulation::ChooseClient() {
  Client::Options options;
  options.interest.type = random_.PickFrom(kPatterns);
  if (random_.OneIn(4)) options.interest.operation = random_.PickFrom(kOperations);
  options.interest.group = random_.Below(kGroups);
  options.resumes = !random_.OneIn(3);
  options.begins_at_earliest = random_.OneIn(2);
  options.network_bytes = random_.OneOf<std::size_t>({300, 4'000, 1 << 20});
  return options;
}

Outcome Simulation::Run() {
  const std::size_t actions = random_.Between(200, 1500);
  if (Start()) {
    for (std::size_t i = 0; i < actions && !over(); ++i) {
      Act();
      if (server_ != nullptr && server_->crashed()) Recover();
    }
  }
  if (!over()) Finish();
  EndServer();
  return {.violation = history_.violation(),
          .history = std::move(history_).Lines(),
          .damage_found = damage_found_,
          .starts = starts_,
          .events = events_,
          .time = clock_.Now() - begin_};
}

void Simulation::LetOthersRun() {
  const bool nobody_can = server_ == nullptr || calm_ > 0 || running_strands_ > 0;
  if (nobody_can || depth_ >= kDeepest) return;
  ++depth_;
  while (!server_->crashed() && !over() && random_.PerMille(interleaving_)) Act();
  --depth_;
}

void Simulation::LetPoliciesChange() {
  if (calm_ > 0 || !random_.PerMille(interleaving_ / 10)) return;
  ChangePolicy();
}

void Simulation::Act() {
  std::uint64_t total = 0;
  for (const std::uint64_t weight : weights_) total += weight;
  std::uint64_t chosen = random_.Below(total);
  std::size_t action = 0;
  while (chosen >= weights_[action]) chosen -= weights_[action++];
  Do(static_cast<Action>(action));
}

void Simulation::Do(Action action) {
  Client& client = *random_.PickFrom(clients_);
  const bool alone = depth_ == 0;
  const bool nobody_sends = running_strands_ == 0;
  switch (action) {
    case Action::kWrite:
      // Sooner or later somebody restarts a server that refuses all writes.
      if (disk_.read_only() && random_.OneIn(10)) return Do(Action::kCrash);
      if (server_->MayCommitChanges()) Write();
      break;
    case Action::kWork:
      executor_.RunOne();
      break;
    case Action::kStrand:
      RunStrand(client);
      break;
    case Action::kRead:
      Read(client);
      if (client.told_of_damage()) EndOnDamage("a session");
      break;
    case Action::kConnect:
      client.Connect(*server_);
      break;
    case Action::kDisconnect:
      if (nobody_sends) Disconnect(client);
      break;
    case Action::kChangePolicy:
      ChangePolicy();
      break;
    case Action::kAcknowledgePolicy:
      if (!nobody_sends || policies_.acknowledged()) break;
      policies_.Acknowledge();
      history_.Note(Text("policies ", policies_.version(), " are acknowledged"));
      break;
    case Action::kRevoke:
      if (nobody_sends) Revoke(client);
      break;
    case Action::kTrim:
      if (server_->MayCommitChanges()) server_->Trim();
      break;
    case Action::kPassTime:
      if (alone) PassTime();
      break;
    case Action::kSettle:
      if (!alone) break;
      Settle();
      CheckNothingIsMissing();
      break;
    case Action::kCrash:
      history_.Note("the server crashes");
      server_->Crash();
      break;
    case Action::kRestart:
      if (alone) Restart();
      break;
    case Action::kRestore:
      // What is not certain yet would have to be found out first.
      if (!alone || disk_.read_only() || !facts_.nothing_is_open()) break;
      Stop();
      history_.Note("a snapshot is restored");
      disk_.ForgetOrderedKeys();
      facts_.BeginEpoch();
      if (!over()) Start();
      break;
    case Action::kFlipBit:
      FlipBit();
      break;
    case Action::kCount:
      break;
  }
}

void Simulation::Write() {
  // Only changes can join a write that is under way.
  const bool joins = server_->IsCommitting();
  const std::size_t changes = !joins && random_.OneIn(6) ? 0 : random_.OneIn(5) ? 3 : 1;
  const std::size_t events = changes == 0 ? random_.Between(1, 4) : random_.OneIn(10) ? 0 : changes;
  const std::size_t padding = random_.OneIn(30) ? random_.Between(1'000, 20'000) : 0;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < changes; ++i) keys.push_back(Text("logical/", random_.Below(kKeys)));
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  storage::WriteBatch batch;
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < events; ++i) {
    const std::size_t number =
        facts_.NewEvent({.type = std::string(random_.PickFrom(kTypes)),
                         .operation = std::string(random_.PickFrom(kOperations)),
                         .path = Text(random_.Below(kFolders), "/path")});
    const Event& event = facts_.EventNumber(number);
    batch.events.push_back({.accepted = clock_.Now(),
                            .bytes = BytesOf(event, padding),
                            .type = event.type,
                            .path = event.path,
                            .mount = std::to_string(number)});
    numbers.push_back(number);
  }
  events_ += events;
  const std::size_t write = facts_.BeginWrite(keys, std::move(numbers));
  for (const auto& [key, number] : facts_.Write(write).changes)
    batch.Put(key, std::to_string(number));
  std::string line = Text("write ", write, ":");
  for (const auto& [key, number] : facts_.Write(write).changes) line += Text(" ", key, "=", number);
  for (const std::size_t event : facts_.Write(write).events)
    line += Text(" ", facts_.EventNumber(event).id);
  history_.Note(line);
  server_->Commit(
      std::move(batch), [this, write, server = server_.get()](const absl::Status& done) {
        if (server->crashed()) return;
        history_.Note(Text("write ", write,
                           " is answered: ", done.ok() ? "stored" : std::string(done.message())));
        facts_.OnDone(write, done);
      });
}

void Simulation::RunStrand(Client& client) {
  if (client.connection() == nullptr || client.connection()->running()) return;
  ++running_strands_;
  client.RunStrand();
  --running_strands_;
}

// A client that leaves has the rest of its strand run.
void Simulation::Read(Client& client) {
  ++running_strands_;
  for (std::uint64_t frames = random_.Between(1, 20); frames > 0 && client.Read(*server_);)
    --frames;
  --running_strands_;
}

void Simulation::Disconnect(Client& client) {
  ++running_strands_;
  client.Disconnect("loses its connection");
  --running_strands_;
}

void Simulation::ChangePolicy() {
  const std::size_t group = random_.Below(kGroups);
  Policies::Rights rights = policies_.RightsOf(group);
  if (random_.OneIn(8)) {
    rights.subscribe = !rights.subscribe;
  } else {
    bool& folder = random_.PickFrom(rights.folders);
    folder = !folder;
  }
  policies_.Change(group, rights);
  std::string line = Text("policies ", policies_.version(), ": group ", group,
                          rights.subscribe ? " sees" : " may not subscribe, sees");
  for (std::size_t i = 0; i < kFolders; ++i) {
    if (rights.folders[i]) line += Text(" ", i);
  }
  history_.Note(line);
}

void Simulation::Revoke(Client& client) {
  if (client.connection() == nullptr) return;
  policies_.Revoke(client.token());
  history_.Note(Text(client.token(), " is revoked"));
}

void Simulation::PassTime() {
  // From a tenth of a millisecond to a quarter of an hour, short times as often as long ones.
  const auto microseconds = static_cast<std::int64_t>(random_.Between(100, 900));
  std::int64_t factor = 1;
  for (std::uint64_t digits = random_.Below(7); digits > 0; --digits) factor *= 10;
  scheduler_.Advance(absl::Microseconds(microseconds * factor));
}

bool Simulation::Start() {
  ++starts_;
  server_ = std::make_unique<Server>(environment_, keyring_, root_key_);
  const absl::Status started = server_->Start();
  history_.Note(Text("the server starts: ", started.ok()
                                                ? Text("events ", server_->journal().Kept().first,
                                                       " to ", server_->journal().Kept().last)
                                                : std::string(started.message())));
  if (started.ok()) return !over();
  if (absl::IsDataLoss(started)) {
    EndOnDamage("the start");
  } else {
    history_.Violate(Text("the server does not start: ", started.message()));
  }
  return false;
}

// The end of a process: nobody does anything any more.
void Simulation::EndServer() {
  if (server_ == nullptr) return;
  server_->Crash();
  executor_.Drop();
  for (const auto& client : clients_) client->Disconnect("has lost the server");
  executor_.Drop();
  server_ = nullptr;
}

void Simulation::Recover() {
  EndServer();
  disk_.Restart();
  if (!over()) Start();
}

void Simulation::Stop() {
  history_.Note("the server stops");
  Settle();
  CheckNothingIsMissing();
  server_->EndSubscriptions();
  Settle();
  if (!over()) CheckCounts();
  EndServer();
}

void Simulation::Restart() {
  Stop();
  Recover();
}

void Simulation::FlipBit() {
  if (flipped_ || server_->IsCommitting()) return;
  flipped_ = disk_.FlipBit(kJournal);
  if (flipped_) history_.Note("a bit of the journal is flipped");
}

void Simulation::EndOnDamage(std::string_view where) {
  if (flipped_) {
    damage_found_ = true;
    history_.Note(Text("damage is found by ", std::string(where)));
  } else {
    history_.Violate(Text("damage is found by ", std::string(where), ", and there is none"));
  }
}

void Simulation::Settle() {
  ++calm_;
  for (bool more = true; more && !over();) {
    more = executor_.RunOne();
    for (const auto& client : clients_) {
      while (client->RunStrand()) more = true;
      while (client->Read(*server_)) more = true;
      if (client->told_of_damage()) EndOnDamage("a session");
    }
  }
  --calm_;
}

void Simulation::CheckNothingIsMissing() {
  for (const auto& client : clients_) {
    if (!over()) client->CheckNothingIsMissing();
  }
}

void Simulation::CheckCounts() {
  const Server::Counts counts = server_->counts();
  if (counts.published != counts.accounted)
    history_.Violate(Text("published are ", counts.published, ", and counted ", counts.accounted));
}

// All faults end, everybody may see everything, and after a while has it.
void Simulation::Finish() {
  ++calm_;
  environment_.write_faults = 0;
  for (std::size_t group = 0; group < kGroups; ++group) policies_.Change(group, {});
  policies_.Acknowledge();
  history_.Note("from now on nothing fails");
  Restart();
  if (over()) return;
  Settle();
  for (const auto& client : clients_) {
    if (!over()) client->Connect(*server_);
  }
  for (int writes = 0; writes < 3 && !over(); ++writes) {
    Write();
    Settle();
    CheckNothingIsMissing();
  }
  // Bookmarks come.
  for (int i = 0; i < 3 && !over(); ++i) {
    scheduler_.Advance(absl::Seconds(5));
    Settle();
  }
  for (const auto& client : clients_) {
    if (!over()) client->CheckComplete();
  }
  if (!over()) CheckCounts();
}

}  // namespace belfry::simulation
