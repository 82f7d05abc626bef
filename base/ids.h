#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace belfry {

// Unguessable names, from OpenSSL's generator. All thread-safe. Without randomness there are no
// secrets: when the system has none, the process ends.

void FillRandom(std::span<unsigned char> bytes);

// 36 characters of lower-case hex in the 8-4-4-4-12 form. Treat ids as opaque: the version bits
// mean nothing.
std::string NewUuid();

// "<type>_" and 8 hex digits, for example "kv_957bb7d8".
std::string NewMountAccessor(std::string_view type);

// `length` characters out of 0-9, A-Z, a-z.
std::string RandomBase62(std::size_t length);

}  // namespace belfry
