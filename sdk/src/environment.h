#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace belfry::internal {

// What a host tells its plugin by environment variables. (plugin-protocol 1.1)
struct Environment {
  bool started_by_host = false;  // The cookie is right.
  std::string protocol_versions;
  std::string client_certificate_pem;  // Empty: no mutual TLS.
  bool multiplexing_wanted = false;
  bool metadata_mode = false;
  // The host means the connection to be secured by a key that it keeps wrapped for the plugin.
  // (plugin-protocol 2.6)
  bool wrapped_key_offered = false;
  std::string socket_directory;
  std::string socket_group;  // A name or number; empty: the process's own.
};

// `get` answers as std::getenv does. Pure otherwise.
Environment ReadEnvironment(const std::function<const char*(const char*)>& get);

// Whether a plugin accepts these arguments. Hosts pass flags that only old protocols need; they are
// accepted and ignored. (plugin-protocol 4.4) nullopt: yes; else a usage text.
std::optional<std::string> CheckArguments(int argc, const char* const* argv);

}  // namespace belfry::internal
