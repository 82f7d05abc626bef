#pragma once

#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "server/seal/secret_bytes.h"

namespace belfry::seal {

// Shamir's secret sharing over GF(2^8) with the polynomial of AES, as Vault has it: a share has one
// byte for each of the secret's, and at last its x coordinate, 1 to 255. What it does, and in which
// time, depends on sizes and x coordinates only. Pure functions, thread-safe.

// Any `threshold` of the `shares` give the secret back; fewer say nothing about it.
// InvalidArgument unless 2 <= threshold <= shares <= 255 and the secret is not empty.
absl::StatusOr<std::vector<SecretBytes>> SplitSecret(const SecretBytes& secret, int shares,
                                                     int threshold);

// The secret, if there are enough shares and all are of one secret and unchanged; otherwise some
// other bytes, so check what comes of it. InvalidArgument when they cannot belong together.
absl::StatusOr<SecretBytes> CombineShares(std::span<const SecretBytes> shares);

}  // namespace belfry::seal
