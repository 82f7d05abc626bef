#pragma once

#include <string>

#include "belfry/testing/fake_host.h"

namespace belfry::testing {

// The id of every request of a test host.
inline constexpr char kRequestId[] = "00000000-0000-4000-8000-000000000000";

// What a TestHost asks its plugin, before it is put into a transport's words.
struct Asked {
  std::string operation;  // Vault's word.
  std::string path;
  Json::Object data;
  // For "renew" and "revoke": what was leased; valid during the call.
  const Response* leased = nullptr;
  Renewal renewal;
};

}  // namespace belfry::testing
