#include "server/plugin_host/stored_requests.h"

#include <utility>

namespace belfry::plugin_host {

StoredRequests::UnderWay::UnderWay(std::shared_ptr<StoredRequests> all, std::string id)
    : all_(std::move(all)), id_(all_ == nullptr ? std::string() : std::move(id)) {
  if (id_.empty()) return;
  MutexLock lock(&all_->mutex_);
  all_->stored_.try_emplace(id_, 0);
}

StoredRequests::UnderWay::~UnderWay() {
  if (id_.empty()) return;
  MutexLock lock(&all_->mutex_);
  all_->stored_.erase(id_);
}

bool StoredRequests::UnderWay::HasStored() const {
  if (id_.empty()) return false;
  MutexLock lock(&all_->mutex_);
  const auto found = all_->stored_.find(id_);
  return found != all_->stored_.end() && found->second > 0;
}

void StoredRequests::Begin(std::string_view id) {
  MutexLock lock(&mutex_);
  if (const auto found = stored_.find(id); found != stored_.end()) ++found->second;
}

void StoredRequests::Fail(std::string_view id) {
  MutexLock lock(&mutex_);
  if (const auto found = stored_.find(id); found != stored_.end()) --found->second;
}

}  // namespace belfry::plugin_host
