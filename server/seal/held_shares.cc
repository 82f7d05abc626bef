#include "server/seal/held_shares.h"

#include "absl/status/statusor.h"
#include "server/seal/recovery_key.h"
#include "server/seal/seal_texts.h"

namespace belfry::seal {

absl::Status CheckHeldShares(const RootKeyStore& root_keys, const Barrier& barrier,
                             std::span<const SecretBytes> shares) {
  const SealConfiguration configuration = root_keys.configuration().value_or(SealConfiguration{});
  if (configuration.kind == SealKind::kShamir) {
    const absl::Status opened = root_keys.OpenWith(shares).status();
    return absl::IsInvalidArgument(opened) ? WrongShares() : opened;
  }
  const absl::StatusOr<SecretBytes> key = CombineToKey(configuration, shares);
  if (!key.ok()) return WrongRecoveryShares();
  const absl::Status checked = CheckRecoveryKey(*key, barrier);
  return absl::IsInvalidArgument(checked) ? WrongRecoveryShares() : checked;
}

}  // namespace belfry::seal
