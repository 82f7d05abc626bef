#include "server/plugin_host/stored_requests.h"

#include <utility>

namespace belfry::plugin_host {

StoredRequests::UnderWay::UnderWay(std::shared_ptr<StoredRequests> all, std::string id)
    : all_(std::move(all)), id_(all_ == nullptr ? std::string() : std::move(id)) {
  if (id_.empty()) return;
  MutexLock lock(&all_->mutex_);
  ++all_->requests_[id_].calls;
}

StoredRequests::UnderWay::~UnderWay() {
  if (id_.empty()) return;
  MutexLock lock(&all_->mutex_);
  const auto found = all_->requests_.find(id_);
  if (--found->second.calls == 0) all_->requests_.erase(found);
}

bool StoredRequests::UnderWay::HasStored() const {
  if (id_.empty()) return false;
  MutexLock lock(&all_->mutex_);
  return all_->requests_.find(id_)->second.stored > 0;
}

void StoredRequests::Begin(std::string_view id) {
  MutexLock lock(&mutex_);
  if (const auto found = requests_.find(id); found != requests_.end()) ++found->second.stored;
}

void StoredRequests::Fail(std::string_view id) {
  MutexLock lock(&mutex_);
  if (const auto found = requests_.find(id); found != requests_.end()) --found->second.stored;
}

}  // namespace belfry::plugin_host
