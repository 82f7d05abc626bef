#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace belfry::bench {

// Blocking loopback sockets for a benchmark's few words of HTTP. Every failure throws and so ends
// the program with a sentence: a benchmark that goes on after an error measures nothing.

int ConnectTo(std::uint16_t port);
void SendAll(int socket, std::string_view bytes);

// A connection, whatever its bytes go through. Does not own it.
struct Stream {
  std::function<void(std::string_view)> send;
  // Waits for at least a byte.
  std::function<std::size_t(char* buffer, std::size_t size)> receive;
};
Stream PlainStream(int socket);

// Reads up to and including `end`; what came after it is in `rest`.
std::string ReadThrough(const Stream& stream, std::string_view end, std::string* rest);
// A request with a JSON body, as text.
std::string RequestText(const std::string& method, const std::string& path, const std::string& body,
                        const std::string& token = "root");
// How many of `text`'s bytes are its first HTTP response; 0 while a part of it is missing. Ends the
// program unless its status is 2xx.
std::size_t ResponseSize(std::string_view text);
// Sends a request on an open connection; the answer's body.
std::string Exchange(const Stream& stream, std::string_view request);
// The text of a member of a JSON answer.
std::string MemberOf(const std::string& json, const std::string& name);
// One that nobody listens on at this moment.
std::uint16_t FreePort();
[[noreturn]] void Die(std::string_view sentence);

}  // namespace belfry::bench
