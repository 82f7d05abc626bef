#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// When the barrier goes on to a new term by itself.
struct RotationConfig {
  // Of the 2^32 after which random nonces of 96 bits are no longer safe, nine tenths.
  static constexpr std::uint64_t kMostOperations = 3'865'470'566;
  static constexpr std::uint64_t kFewestOperations = 1'000'000;

  bool enabled = true;  // False: only after kMostOperations.
  std::uint64_t max_operations = kMostOperations;
  absl::Duration interval;  // Since the term was installed; zero: for ever.

  // InvalidArgument, in Vault's words, when a bound is out of range.
  absl::Status Check() const;
};

// The keys that values are encrypted with, one for each term; the last term is the active one, and
// the others stay, so that old values can be read. Also the key for names, which is the same for
// all terms: a name is found by how it was sealed once. A copy shares the keys. Not thread-safe.
class Keyring {
 public:
  struct Term {
    std::uint32_t number = 0;  // From 1, without a gap.
    absl::Time installed;
    std::uint64_t encryptions = 0;
    std::shared_ptr<const SecretBytes> key;  // 256 bits.
  };

  // With new keys and one term.
  explicit Keyring(absl::Time now);

  // As it is stored at kKeyring. InvalidArgument: not sealed by this root key, or changed.
  // DataLoss: sealed by it and yet not a keyring.
  static absl::StatusOr<Keyring> Open(std::string_view sealed, const SecretBytes& root_key);
  std::string Sealed(const SecretBytes& root_key) const;

  // Adds a term.
  void Rotate(absl::Time now);

  const Term& active() const { return terms_.back(); }
  Term& active() { return terms_.back(); }
  const std::vector<Term>& terms() const { return terms_; }
  const SecretBytes& name_key() const { return *name_key_; }

  RotationConfig rotation;

 private:
  Keyring() = default;

  std::vector<Term> terms_;
  std::shared_ptr<const SecretBytes> name_key_;
};

}  // namespace belfry::seal
