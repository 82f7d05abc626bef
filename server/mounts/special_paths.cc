#include "server/mounts/special_paths.h"

#include <algorithm>
#include <utility>

namespace belfry::mounts {
namespace {

// The part before the first '/', taken off the text together with it.
std::string_view TakeSegment(std::string_view& text) {
  const std::string_view segment = text.substr(0, text.find('/'));
  text.remove_prefix(std::min(text.size(), segment.size() + 1));
  return segment;
}

bool Matches(std::string_view pattern, std::string_view path) {
  const bool prefix = pattern.ends_with('*');
  if (prefix) pattern.remove_suffix(1);
  if (pattern.find('+') == std::string_view::npos)
    return prefix ? path.starts_with(pattern) : path == pattern;
  while (pattern.find('/') != std::string_view::npos) {
    if (path.find('/') == std::string_view::npos) return false;
    const std::string_view wanted = TakeSegment(pattern);
    const std::string_view segment = TakeSegment(path);
    if (wanted != "+" && wanted != segment) return false;
  }
  if (prefix) return path.starts_with(pattern);
  return path == pattern || (pattern == "+" && path.find('/') == std::string_view::npos);
}

}  // namespace

PathSet::PathSet(std::vector<std::string> patterns) : patterns_(std::move(patterns)) {
  for (std::string& pattern : patterns_) {
    if (pattern.ends_with('/')) pattern.pop_back();
  }
}

bool PathSet::Contains(std::string_view path) const {
  const std::string_view name = path.substr(0, path.size() - (path.ends_with('/') ? 1 : 0));
  return std::any_of(patterns_.begin(), patterns_.end(), [&](const std::string& pattern) {
    return Matches(pattern, path) || Matches(pattern, name);
  });
}

}  // namespace belfry::mounts
