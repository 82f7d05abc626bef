#pragma once

#include <cstdint>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/mutex.h"
#include "server/http/strand.h"

namespace belfry::http {

// Bounds how many handshakes are computed at once, first come first served, so that many clients
// that connect together do not keep the threads of the network from everybody else. Thread-safe.
//
// A handshake costs 0.5 to 6 ms (docs/decisions/0014-tls.md), where all else that takes more than
// some microseconds runs on an executor. This does not: an executor's thread would take its time
// from the same processors, and an SSL object belongs to its strand, also while that closes it.
// What must not happen is that a thousand such steps stand in the io_context's queue before an
// event. Only those with a turn stand there; with half as many turns as threads, the others take
// other work.
class HandshakeTurns final {
 public:
  // Names what waits for its turn.
  using Ticket = std::uint64_t;

  explicit HandshakeTurns(int at_once) : free_(at_once) {}
  HandshakeTurns(const HandshakeTurns&) = delete;
  HandshakeTurns& operator=(const HandshakeTurns&) = delete;

  // Runs `work`, which must not wait for anything, on `strand` when it has its turn; never before
  // this returns.
  Ticket Run(Strand strand, absl::AnyInvocable<void()> work);
  // Destroys work that still waits.
  void Cancel(Ticket ticket);
  // Destroys all work that waits and all that comes; to be called before the io_context goes.
  void Close();

 private:
  struct Waiting {
    Strand strand;
    absl::AnyInvocable<void()> work;
  };
  // Held while work runs; gives the turn to the next.
  class Turn;

  void Post(Waiting next);
  void GiveBack();

  Mutex mutex_;
  int free_ ABSL_GUARDED_BY(mutex_);
  Ticket last_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<Ticket, Waiting> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace belfry::http
