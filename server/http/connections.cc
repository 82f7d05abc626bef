#include "server/http/connections.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace belfry::http {

void Mailbox::Post(absl::AnyInvocable<void()> work) {
  MutexLock lock(&mutex_);
  if (!strand_) return;
  boost::asio::post(*strand_, [work = std::move(work)]() mutable { work(); });
}

void Mailbox::Close() {
  MutexLock lock(&mutex_);
  strand_.reset();
}

Connections::Registration::~Registration() {
  StopHolding();
  MutexLock lock(&connections_->mutex_);
  Entry& entry = connections_->entries_[id_];
  connections_->Busy(entry);
  if (entry.leaving) --connections_->leaving_;
  connections_->entries_.erase(id_);
  if (connections_->entries_.empty()) connections_->empty_.NotifyAll();
}

void Connections::Registration::OnShutdown(std::function<void()> shutdown) {
  MutexLock lock(&connections_->mutex_);
  Entry& entry = connections_->entries_[id_];
  entry.shutdown = std::move(shutdown);
  if (connections_->shutting_down_) entry.mailbox->Post(entry.shutdown);
}

void Connections::Registration::OnEviction(std::function<void()> evict) {
  MutexLock lock(&connections_->mutex_);
  connections_->entries_[id_].evict = std::move(evict);
}

void Connections::Registration::SetIdle() {
  MutexLock lock(&connections_->mutex_);
  Entry& entry = connections_->entries_[id_];
  connections_->Busy(entry);
  const std::uint64_t added = std::exchange(entry.added, 0);
  entry.idle_since = added != 0 ? added : ++connections_->idle_clock_;
  connections_->IdleLike(entry).emplace(entry.idle_since, id_);
}

void Connections::Registration::SetBusy() {
  MutexLock lock(&connections_->mutex_);
  connections_->Busy(connections_->entries_[id_]);
}

bool Connections::Registration::TryHold() {
  MutexLock lock(&connections_->mutex_);
  Entry& entry = connections_->entries_[id_];
  if (entry.held) return true;
  // A quarter is for requests, such as those that end what is held.
  const std::size_t most = connections_->bounds_.staying - connections_->bounds_.staying / 4;
  if (connections_->held_ >= most) return false;
  entry.held = true;
  ++connections_->held_;
  return true;
}

void Connections::Registration::StopHolding() {
  MutexLock lock(&connections_->mutex_);
  if (std::exchange(connections_->entries_[id_].held, false)) --connections_->held_;
}

Connections::Idle& Connections::IdleLike(const Entry& entry) {
  return entry.leaving ? idle_leaving_ : idle_;
}

void Connections::Busy(Entry& entry) {
  if (entry.idle_since == 0) return;
  IdleLike(entry).erase(entry.idle_since);
  entry.idle_since = 0;
}

Connections::Admission Connections::Admit() {
  MutexLock lock(&mutex_);
  if (entries_.size() >= bounds_.staying + bounds_.leaving) {
    EvictFirstOf(idle_leaving_);
    return Admission::kDropped;
  }
  if (entries_.size() - leaving_ < bounds_.staying || EvictFirstOf(idle_)) {
    return Admission::kServed;
  }
  // Who has had its refusal gives way before there is no room to refuse the next.
  if (2 * leaving_ >= bounds_.leaving) EvictFirstOf(idle_leaving_);
  return Admission::kRefused;
}

bool Connections::HasRoom() {
  MutexLock lock(&mutex_);
  return entries_.size() < bounds_.staying;
}

bool Connections::EvictOne() {
  MutexLock lock(&mutex_);
  return EvictFirstOf(idle_leaving_) || EvictFirstOf(idle_);
}

bool Connections::EvictFirstOf(Idle& idle) {
  if (idle.empty()) return false;
  Entry& entry = entries_[idle.begin()->second];
  Busy(entry);
  if (!entry.leaving) ++leaving_;
  entry.leaving = true;
  entry.mailbox->Post(entry.evict);
  return true;
}

std::unique_ptr<Connections::Registration> Connections::Add(std::shared_ptr<Mailbox> mailbox,
                                                            Stay stay) {
  MutexLock lock(&mutex_);
  const std::uint64_t id = next_id_++;
  Entry& entry = entries_[id];
  entry.mailbox = std::move(mailbox);
  entry.added = ++idle_clock_;
  entry.leaving = stay == Stay::kLeaving;
  if (entry.leaving) ++leaving_;
  return std::make_unique<Registration>(this, id);
}

void Connections::ShutDown(std::chrono::steady_clock::time_point deadline) {
  MutexLock lock(&mutex_);
  shutting_down_ = true;
  for (auto& [id, entry] : entries_) {
    if (entry.shutdown) entry.mailbox->Post(entry.shutdown);
  }
  while (!entries_.empty()) {
    if (!empty_.WaitUntil(&mutex_, deadline)) return;
  }
}

void Connections::CloseMailboxes() {
  MutexLock lock(&mutex_);
  for (auto& [id, entry] : entries_) entry.mailbox->Close();
}

}  // namespace belfry::http
