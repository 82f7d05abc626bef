#include "server/seal/keyring.h"

#include <algorithm>
#include <cstddef>

#include "server/seal/aead.h"
#include "server/seal/name_cipher.h"
#include "server/seal/places.h"
#include "server/seal/sealed_record.h"

namespace belfry::seal {
namespace {

// What is sealed: the key for names, the rotation, the number of terms, and each term without its
// number; numbers are of 8 bytes, the most significant first. Not a protobuf, whose parser would
// leave copies of the keys in the heap.
constexpr std::size_t kNumberBytes = 8;
constexpr std::size_t kHeadBytes = NameCipher::kKeyBytes + 4 * kNumberBytes;
constexpr std::size_t kTermBytes = 2 * kNumberBytes + Aead::kKeyBytes;

class Writer {
 public:
  explicit Writer(SecretBytes* to) : next_(to->data()) {}
  void Number(std::uint64_t number) {
    for (int shift = 56; shift >= 0; shift -= 8)
      *next_++ = static_cast<unsigned char>(number >> shift);
  }
  void Key(const SecretBytes& key) {
    next_ = std::copy(key.bytes().begin(), key.bytes().end(), next_);
  }

 private:
  unsigned char* next_;
};

// The caller has seen that there are enough bytes.
class Reader {
 public:
  explicit Reader(const SecretBytes& from) : next_(from.data()) {}
  std::uint64_t Number() {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < kNumberBytes; ++i) number = number << 8 | *next_++;
    return number;
  }
  std::shared_ptr<const SecretBytes> Key(std::size_t size) {
    const std::span<const unsigned char> bytes(next_, size);
    next_ += size;
    return std::make_shared<const SecretBytes>(SecretBytes::CopyOf(bytes));
  }

 private:
  const unsigned char* next_;
};

std::uint64_t Bits(std::int64_t number) {
  return static_cast<std::uint64_t>(number);
}
std::int64_t Signed(std::uint64_t bits) {
  return static_cast<std::int64_t>(bits);
}

}  // namespace

absl::Status RotationConfig::Check() const {
  if (max_operations < kFewestOperations || max_operations > kMostOperations) {
    return absl::InvalidArgumentError("max_operations must be in the range [1000000,3865470566]");
  }
  if (interval != absl::ZeroDuration() && interval < absl::Hours(24)) {
    return absl::InvalidArgumentError("interval must be greater or equal to 24h0m0s");
  }
  return absl::OkStatus();
}

Keyring::Keyring(absl::Time now)
    : name_key_(std::make_shared<const SecretBytes>(SecretBytes::Random(NameCipher::kKeyBytes))) {
  Rotate(now);
}

void Keyring::Rotate(absl::Time now) {
  terms_.push_back(
      {.number = static_cast<std::uint32_t>(terms_.size() + 1),
       .installed = now,
       .key = std::make_shared<const SecretBytes>(SecretBytes::Random(Aead::kKeyBytes))});
}

std::string Keyring::Sealed(const SecretBytes& root_key) const {
  SecretBytes plain(kHeadBytes + terms_.size() * kTermBytes);
  Writer writer(&plain);
  writer.Key(*name_key_);
  writer.Number(rotation.enabled ? 1 : 0);
  writer.Number(rotation.max_operations);
  writer.Number(Bits(absl::ToInt64Seconds(rotation.interval)));
  writer.Number(terms_.size());
  for (const Term& term : terms_) {
    writer.Number(Bits(absl::ToUnixNanos(term.installed)));
    writer.Number(term.encryptions);
    writer.Key(*term.key);
  }
  return SealRecord(root_key, kKeyring, "", plain);
}

absl::StatusOr<Keyring> Keyring::Open(std::string_view sealed, const SecretBytes& root_key) {
  const absl::StatusOr<SecretBytes> plain = OpenRecord(root_key, kKeyring, "", sealed);
  if (!plain.ok()) return plain.status();
  const absl::Status malformed = absl::DataLossError(
      "the keyring has been opened and is malformed; restore a copy of the storage");
  if (plain->size() < kHeadBytes + kTermBytes) return malformed;
  Reader reader(*plain);
  Keyring keyring;
  keyring.name_key_ = reader.Key(NameCipher::kKeyBytes);
  keyring.rotation.enabled = reader.Number() != 0;
  keyring.rotation.max_operations = reader.Number();
  keyring.rotation.interval = absl::Seconds(Signed(reader.Number()));
  const std::uint64_t terms = reader.Number();
  if (terms != (plain->size() - kHeadBytes) / kTermBytes ||
      (plain->size() - kHeadBytes) % kTermBytes != 0) {
    return malformed;
  }
  for (std::uint32_t number = 1; number <= terms; ++number) {
    Term& term = keyring.terms_.emplace_back();
    term.number = number;
    term.installed = absl::FromUnixNanos(Signed(reader.Number()));
    term.encryptions = reader.Number();
    term.key = reader.Key(Aead::kKeyBytes);
  }
  return keyring;
}

}  // namespace belfry::seal
