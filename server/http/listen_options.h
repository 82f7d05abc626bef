#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "server/http/tls_options.h"

namespace belfry::http {

// Where a server listens, and what holds there.
struct ListenOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 8200;                     // 0: any free one.
  std::optional<TlsOptions> tls = std::nullopt;  // Without it: in plain text.
  bool open_metrics = false;                     // As in api::HttpRequest, of what comes here.
};

}  // namespace belfry::http
