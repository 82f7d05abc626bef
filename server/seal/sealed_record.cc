#include "server/seal/sealed_record.h"

#include "absl/status/status.h"
#include "base/text.h"
#include "server/seal/aead.h"

namespace belfry::seal {
namespace {

constexpr char kVersion = 1;

// The place ends where the context begins: no place has a zero byte.
std::string Bound(std::string_view place, std::string_view context) {
  return Concat({{&kVersion, 1}, place, {"\0", 1}, context});
}

}  // namespace

std::string SealRecord(const SecretBytes& key, std::string_view place, std::string_view context,
                       const SecretBytes& plain) {
  std::string sealed(1, kVersion);
  Aead(key).Seal(plain.view(), Bound(place, context), &sealed);
  return sealed;
}

absl::StatusOr<SecretBytes> OpenRecord(const SecretBytes& key, std::string_view place,
                                       std::string_view context, std::string_view sealed) {
  const absl::Status changed =
      absl::InvalidArgumentError(Concat({place, " is not sealed by this key, or damaged"}));
  if (sealed.empty() || sealed[0] == 0) return changed;
  if (sealed[0] != kVersion) {
    return absl::FailedPreconditionError(
        Concat({place, " was written by a newer version of Belfry; run that version"}));
  }
  sealed.remove_prefix(1);
  if (sealed.size() < Aead::kOverheadBytes) return changed;
  SecretBytes plain(sealed.size() - Aead::kOverheadBytes);
  if (!Aead(key).Open(sealed, Bound(place, context), reinterpret_cast<char*>(plain.data()))) {
    return changed;
  }
  return plain;
}

}  // namespace belfry::seal
