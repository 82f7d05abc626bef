#include "server/http/handshake_turns.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace belfry::http {

class HandshakeTurns::Turn {
 public:
  explicit Turn(HandshakeTurns* turns) : turns_(turns) {}
  ~Turn() {
    if (turns_ != nullptr) turns_->GiveBack();
  }
  Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)) {}
  Turn& operator=(Turn&&) = delete;

 private:
  HandshakeTurns* turns_;
};

HandshakeTurns::Ticket HandshakeTurns::Run(Strand strand, absl::AnyInvocable<void()> work) {
  Waiting next{std::move(strand), std::move(work)};
  Ticket ticket;
  {
    MutexLock lock(&mutex_);
    ticket = ++last_ticket_;
    if (closed_) return ticket;
    if (free_ == 0) {
      waiting_.emplace(ticket, std::move(next));
      return ticket;
    }
    --free_;
  }
  Post(std::move(next));
  return ticket;
}

void HandshakeTurns::Cancel(Ticket ticket) {
  std::map<Ticket, Waiting>::node_type dropped;  // Outlives the lock.
  MutexLock lock(&mutex_);
  dropped = waiting_.extract(ticket);
}

void HandshakeTurns::Close() {
  std::map<Ticket, Waiting> dropped;  // Outlives the lock.
  MutexLock lock(&mutex_);
  closed_ = true;
  dropped.swap(waiting_);
}

void HandshakeTurns::Post(Waiting next) {
  boost::asio::post(next.strand, [turn = Turn(this), work = std::move(next.work)]() mutable {
    work();
    work = nullptr;  // Before the turn goes.
  });
}

void HandshakeTurns::GiveBack() {
  std::map<Ticket, Waiting>::node_type next;
  {
    MutexLock lock(&mutex_);
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    next = waiting_.extract(waiting_.begin());
  }
  Post(std::move(next.mapped()));
}

}  // namespace belfry::http
