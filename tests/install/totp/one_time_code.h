#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// Pure functions but for RandomBytes; thread-safe.

std::string RandomBytes(std::size_t count);
// RFC 4648, without padding. nullopt for what is none.
std::string ToBase32(std::string_view bytes);
std::optional<std::string> FromBase32(std::string_view text);
// RFC 4226 with one of SHA1, SHA256, SHA512.
std::string OneTimeCode(std::string_view secret, const std::string& algorithm, std::int64_t digits,
                        std::int64_t counter);
