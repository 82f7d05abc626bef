#pragma once

namespace belfry::simulation {

// Where other threads could run between two steps of the server, the simulation has its chance.
class Turns {
 public:
  virtual ~Turns() = default;
  // Others may do anything meanwhile; the server may have crashed when this returns.
  virtual void LetOthersRun() = 0;
  // The same on a strand that is sending, which policy changes wait for: policies may change, but
  // no change is acknowledged.
  virtual void LetPoliciesChange() = 0;
};

}  // namespace belfry::simulation
