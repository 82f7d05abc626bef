#pragma once

#include <cstddef>
#include <string_view>

namespace belfry {

// Pure functions, thread-safe.

// Whether a path, without '/' at its front, names one thing only: no segment between slashes is
// empty, "." or "..". A '/' may end it, as that of a folder to list does; "" is the root.
inline bool IsCleanPath(std::string_view path) {
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return false;
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
  }
  return true;
}

// Whether a path is the folder or something in it.
inline bool IsAtOrBelow(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace belfry
