#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// Shares that come one by one, for one purpose, which a nonce names. Not thread-safe.
class ShareCollection {
 public:
  const std::string& nonce() const { return nonce_; }
  int count() const { return static_cast<int>(shares_.size()); }

  // False: this share has been given already.
  bool Add(SecretBytes share) {
    if (std::find(shares_.begin(), shares_.end(), share) != shares_.end()) return false;
    shares_.push_back(std::move(share));
    return true;
  }

  // All of them; none are left here.
  std::vector<SecretBytes> Take() { return std::exchange(shares_, {}); }

 private:
  std::string nonce_ = NewUuid();
  std::vector<SecretBytes> shares_;
};

}  // namespace belfry::seal
