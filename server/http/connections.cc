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
  MutexLock lock(&connections_->mutex_);
  connections_->entries_.erase(id_);
  if (connections_->entries_.empty()) connections_->empty_.NotifyAll();
}

void Connections::Registration::OnShutdown(std::function<void()> shutdown) {
  MutexLock lock(&connections_->mutex_);
  Entry& entry = connections_->entries_[id_];
  entry.shutdown = std::move(shutdown);
  if (connections_->shutting_down_) entry.mailbox->Post(entry.shutdown);
}

std::unique_ptr<Connections::Registration> Connections::Add(std::shared_ptr<Mailbox> mailbox) {
  MutexLock lock(&mutex_);
  const std::uint64_t id = next_id_++;
  entries_[id].mailbox = std::move(mailbox);
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
