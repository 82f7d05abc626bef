#pragma once

#include <span>
#include <string>

namespace belfry::internal {

// Unpredictable bytes. Without randomness there are no secrets: when the system has none, the
// process ends. Thread-safe.
void FillRandom(std::span<unsigned char> bytes);

// A version-4 UUID: a name that nobody has, not a secret. Thread-safe.
std::string NewUuid();

}  // namespace belfry::internal
