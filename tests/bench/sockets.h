#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace belfry::bench {

// Blocking loopback sockets for a benchmark's few words of HTTP. Every failure throws and so ends
// the program with a sentence: a benchmark that goes on after an error measures nothing.

int ConnectTo(std::uint16_t port);
void SendAll(int socket, std::string_view bytes);
// Reads up to and including `end`; what came after it is in `rest`.
std::string ReadThrough(int socket, std::string_view end, std::string* rest);
// A request with the root token and a JSON body on an open connection; ends the program unless the
// status is 2xx.
void Call(int socket, const std::string& method, const std::string& path, const std::string& body);
[[noreturn]] void Die(std::string_view sentence);

}  // namespace belfry::bench
