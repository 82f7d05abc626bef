#pragma once

#include <string>
#include <string_view>

namespace belfry::mounts {

// Hex SHA-1 of the mount's uuid and the token: what engines see instead of the token; also of no
// token at all. (plugin-protocol 6.6)
std::string SaltedToken(std::string_view mount_uuid, std::string_view token);

}  // namespace belfry::mounts
