#include "server/http/byte_budget.h"

namespace belfry::http {

ByteBudget::Lease::Lease(Lease&& other) noexcept
    : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}

ByteBudget::Lease& ByteBudget::Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  Release();
  budget_ = std::move(other.budget_);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

bool ByteBudget::Lease::Resize(std::size_t bytes) {
  if (bytes == bytes_) return true;
  if (budget_ == nullptr || !budget_->Exchange(bytes_, bytes)) return false;
  bytes_ = bytes;
  return true;
}

void ByteBudget::Lease::Release() {
  if (bytes_ > 0) budget_->Exchange(std::exchange(bytes_, 0), 0);
}

std::size_t ByteBudget::used() {
  MutexLock lock(&mutex_);
  return used_;
}

bool ByteBudget::Exchange(std::size_t old_bytes, std::size_t new_bytes) {
  MutexLock lock(&mutex_);
  const std::size_t others = used_ - old_bytes;
  if (new_bytes > old_bytes && others > 0 && others + new_bytes > bytes_) return false;
  used_ = others + new_bytes;
  return true;
}

}  // namespace belfry::http
