#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace belfry::internal {

// Where the SDK keeps what is its own in a mount's storage. Engines neither list nor use it.
inline constexpr std::string_view kReservedFolder = ".belfry/";

// Leaves the folder out of what Storage::List found below `prefix`. Pure, thread-safe.
inline void HideReserved(std::string_view prefix, std::vector<std::string>* names) {
  if (prefix.empty()) std::erase(*names, kReservedFolder);
}

}  // namespace belfry::internal
