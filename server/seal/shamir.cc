#include "server/seal/shamir.h"

#include <array>
#include <cstddef>

#include "absl/status/status.h"

namespace belfry::seal {
namespace {

using Byte = unsigned char;

// In GF(2^8) modulo x^8 + x^4 + x^3 + x + 1, without a table or a branch that depends on them.
Byte Times(Byte a, Byte b) {
  unsigned product = 0;
  for (int bit = 7; bit >= 0; --bit) {
    product = (product << 1) ^ (0x11bu & (0u - (product >> 7)));
    product ^= a & (0u - ((static_cast<unsigned>(b) >> bit) & 1u));
  }
  return static_cast<Byte>(product);
}

// a^254: its square seven times, multiplied up.
Byte Inverse(Byte a) {
  Byte inverse = 1;
  for (int i = 0; i < 7; ++i) {
    a = Times(a, a);
    inverse = Times(inverse, a);
  }
  return inverse;
}

Byte XOf(const SecretBytes& share) {
  return share.data()[share.size() - 1];
}

// What the share at `one` counts for at x = 0. (Lagrange)
Byte Weight(std::span<const SecretBytes> shares, std::size_t one) {
  Byte weight = 1;
  const Byte x = XOf(shares[one]);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (i == one) continue;
    const Byte other = XOf(shares[i]);
    weight = Times(weight, Times(other, Inverse(static_cast<Byte>(other ^ x))));
  }
  return weight;
}

absl::Status CheckShares(std::span<const SecretBytes> shares) {
  if (shares.size() < 2) {
    return absl::InvalidArgumentError("fewer than two shares cannot be combined");
  }
  std::array<bool, 256> seen{};
  for (const SecretBytes& share : shares) {
    if (share.size() < 2) return absl::InvalidArgumentError("a share has at least two bytes");
    if (share.size() != shares[0].size()) {
      return absl::InvalidArgumentError("all shares must be of one length");
    }
    if (XOf(share) == 0) return absl::InvalidArgumentError("a share must not end in a zero byte");
    if (seen[XOf(share)]) return absl::InvalidArgumentError("the same share is given twice");
    seen[XOf(share)] = true;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SecretBytes>> SplitSecret(const SecretBytes& secret, int shares,
                                                     int threshold) {
  if (secret.empty() || threshold < 2 || shares < threshold || shares > 255) {
    return absl::InvalidArgumentError(
        "a secret of at least one byte is split into up to 255 shares, with a threshold of at "
        "least two and at most all of them");
  }
  const std::size_t size = secret.size();
  // One polynomial for each byte of the secret, which is its constant part; the other coefficients
  // are random, those of x first, then those of its square.
  const SecretBytes random = SecretBytes::Random(size * static_cast<std::size_t>(threshold - 1));
  std::vector<SecretBytes> split;
  split.reserve(static_cast<std::size_t>(shares));
  for (int x = 1; x <= shares; ++x) {
    SecretBytes& share = split.emplace_back(size + 1);
    for (std::size_t power = static_cast<std::size_t>(threshold - 1); power-- > 0;) {
      for (std::size_t i = 0; i < size; ++i) {
        const Byte sum = share.data()[i] ^ random.data()[power * size + i];
        share.data()[i] = Times(sum, static_cast<Byte>(x));
      }
    }
    for (std::size_t i = 0; i < size; ++i) share.data()[i] ^= secret.data()[i];
    share.data()[size] = static_cast<Byte>(x);
  }
  return split;
}

absl::StatusOr<SecretBytes> CombineShares(std::span<const SecretBytes> shares) {
  if (absl::Status bad = CheckShares(shares); !bad.ok()) return bad;
  SecretBytes secret(shares[0].size() - 1);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const Byte weight = Weight(shares, i);
    for (std::size_t byte = 0; byte < secret.size(); ++byte) {
      secret.data()[byte] ^= Times(shares[i].data()[byte], weight);
    }
  }
  return secret;
}

}  // namespace belfry::seal
