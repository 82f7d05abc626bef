#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belfry::http {

// A request target in its parts, percent-decoded.
struct RequestTarget {
  std::string as_written;  // Path and query, not decoded.
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
};

// Each takes up many times its bytes.
inline constexpr std::size_t kMaxQueryParameters = 1000;
bool HasTooManyParameters(std::string_view target);

// Takes "/path?query" or "http://host/path?query" apart; nullopt when it is neither or an escape is
// broken. In the query '+' is a space. Pure, thread-safe.
std::optional<RequestTarget> ParseRequestTarget(std::string_view target);

}  // namespace belfry::http
