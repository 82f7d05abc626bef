#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/testing.h"
#include "server/seal/keyring.h"
#include "server/seal/secret_bytes.h"
#include "tests/simulation/bug.h"
#include "tests/simulation/client.h"
#include "tests/simulation/facts.h"
#include "tests/simulation/faulty_disk.h"
#include "tests/simulation/history.h"
#include "tests/simulation/policies.h"
#include "tests/simulation/random.h"
#include "tests/simulation/seeded_executor.h"
#include "tests/simulation/server.h"
#include "tests/simulation/turns.h"

namespace belfry::simulation {

struct Outcome {
  // What must not have happened, and what went before it.
  std::optional<std::string> violation;
  std::vector<std::string> history;
  // A bit was flipped, and somebody who read it said so, which ends the run.
  bool damage_found = false;
  std::size_t starts = 0;  // Of the server.
  std::size_t events = 0;
  absl::Duration time;  // Virtual.
};

// Writers, subscribers, policies that change and servers that crash, all on one thread. The seed
// says what happens next, so the same seed is the same run.
class Simulation final : private Turns {
 public:
  explicit Simulation(std::uint64_t seed, Bug bug = Bug::kNone);
  ~Simulation() override;
  // To be called once.
  Outcome Run();

 private:
  enum class Action {
    kWrite,
    kWork,
    kStrand,
    kRead,
    kConnect,
    kDisconnect,
    kChangePolicy,
    kAcknowledgePolicy,
    kRevoke,
    kTrim,
    kPassTime,
    kSettle,
    kCrash,
    kRestart,
    kRestore,
    kFlipBit,
    kCount,
  };
  using Weights = std::array<std::uint64_t, static_cast<std::size_t>(Action::kCount)>;

  void LetOthersRun() override;
  void LetPoliciesChange() override;

  Weights ChooseWeights();
  ServerEnvironment ChooseEnvironment(Bug bug);
  void MakeClients();
  Client::Options ChooseClient();

  // What the seed chooses, now.
  void Act();
  void Do(Action action);
  void Write();
  void RunStrand(Client& client);
  void Read(Client& client);
  void Disconnect(Client& client);
  void ChangePolicy();
  void Revoke(Client& client);
  void PassTime();

  // False: the run is over.
  bool Start();
  void EndServer();
  // After a crash.
  void Recover();
  // In good order.
  void Stop();
  void Restart();
  void FlipBit();
  bool over() const { return history_.violation().has_value() || damage_found_; }
  void EndOnDamage(std::string_view where);

  // What has begun comes to its end, and nothing else happens.
  void Settle();
  void CheckNothingIsMissing();
  void CheckCounts();
  void Finish();

  Random random_;
  FakeClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  const absl::Time begin_ = clock_.Now();
  FakeScheduler scheduler_{&clock_};
  History history_{&clock_};
  Policies policies_{this};
  Facts facts_{&history_, &policies_};
  FaultyDisk disk_{&random_};
  SeededExecutor executor_{&random_, this};
  const seal::SecretBytes root_key_;
  const seal::Keyring keyring_;
  ServerEnvironment environment_;
  Weights weights_;
  const std::uint64_t interleaving_;  // So many of a thousand times others run.
  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<Client>> clients_;
  int depth_ = 0;  // Of actions in the midst of others.
  int running_strands_ = 0;
  int calm_ = 0;  // Not 0: nothing happens but what has begun.
  bool flipped_ = false;
  bool damage_found_ = false;
  std::size_t starts_ = 0;
  std::size_t events_ = 0;
};

}  // namespace belfry::simulation
