#include "server/listen_address.h"

#include <arpa/inet.h>

#include <charconv>
#include <string>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace belfry {
namespace {

bool IsIpAddress(const std::string& text) {
  in6_addr bytes;  // As large as the larger of both.
  if (inet_pton(AF_INET, text.c_str(), &bytes) == 1) return true;
  // A link-local address names its interface.
  return inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &bytes) == 1;
}

}  // namespace

absl::StatusOr<ListenerConfig> ParseListenAddress(std::string_view text) {
  ListenerConfig listener;
  const std::size_t colon = text.rfind(':');
  const char* const end = text.data() + text.size();
  const char* const digits = colon == std::string_view::npos ? end : text.data() + colon + 1;
  const auto [stop, error] = std::from_chars(digits, end, listener.port);
  if (error == std::errc::result_out_of_range && stop == end)
    return absl::InvalidArgumentError("the port must be a number from 0 to 65535");
  if (error != std::errc() || stop != end) {
    return absl::InvalidArgumentError("it must be ADDRESS:PORT, for example 127.0.0.1:8200");
  }
  std::string host(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) {
    const std::string port = std::to_string(listener.port);
    return absl::InvalidArgumentError(
        Concat({"it names no address; write 127.0.0.1:", port,
                " for this machine alone, or 0.0.0.0:", port, " for all that can reach it"}));
  }
  if (host == "localhost") host = "127.0.0.1";
  if (host.find('\0') != std::string::npos || !IsIpAddress(host)) {
    return absl::InvalidArgumentError("what is before the port must be an IP address or localhost");
  }
  listener.address = std::move(host);
  return listener;
}

bool IsLoopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1" || address.starts_with("::ffff:127.");
}

}  // namespace belfry
