#pragma once

#include <string_view>

namespace belfry::seal {

// Where things lie in the storage below the barrier. All that users and stores put there lies below
// kData, names and values sealed, but for what lies below storage::kOrderedKeys: there only values
// are. The rest is needed to unseal, so its names stand in the clear.
inline constexpr std::string_view kData = "data/";

// The beginning of all these.
inline constexpr std::string_view kSealPlaces = "seal/";
// How many shares there are and how many are needed, and what unseals, in the clear
// (root_key_store.h).
inline constexpr std::string_view kSealConfiguration = "seal/configuration";
// The root key, sealed by the unseal key. Written with the configuration.
inline constexpr std::string_view kRootKey = "seal/root-key";
// The unseal key, as the seal wraps it (auto_seal.h), of a server that unseals by itself; else it
// is stored nowhere. Written with the root key.
inline constexpr std::string_view kUnsealKey = "seal/unseal-key";
// The keys of all terms and the key for names, sealed by the root key.
inline constexpr std::string_view kKeyring = "seal/keyring";

}  // namespace belfry::seal
