#include "server/api/engine_answer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/text.h"

namespace belfry::api {
namespace {

constexpr std::size_t kMaxHeaderValueBytes = 8 * 1024;

bool IsVisible(char c) {
  return c > ' ' && c < 0x7f;
}

// What a client or a server in between might take for a '/', a '.' or a '\'.
bool HasEncodedSeparator(std::string_view path) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(path));
  return lower.find("%2f") != std::string::npos || lower.find("%2e") != std::string::npos ||
         lower.find("%5c") != std::string::npos;
}

// No empty part, and none that is "." or "..".
bool IsCanonical(std::string_view path) {
  while (!path.empty()) {
    path.remove_prefix(1);  // The '/' in front of the part.
    const std::size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(end);
    // Only the last part may be empty: a list's path ends in '/'.
    if (part == "." || part == ".." || (part.empty() && !path.empty())) return false;
  }
  return true;
}

bool ChangesNothing(mounts::Operation operation) {
  return operation == mounts::Operation::kRead || operation == mounts::Operation::kList ||
         operation == mounts::Operation::kHelp;
}

}  // namespace

bool IsHeaderValue(std::string_view value) {
  return value.size() <= kMaxHeaderValueBytes &&
         std::all_of(value.begin(), value.end(),
                     [](char c) { return IsVisible(c) || c == ' ' || c == '\t'; });
}

std::string WhyNotRedirect(std::string_view location, mounts::Operation operation,
                           std::string_view mount_path) {
  if (location.size() > kMaxHeaderValueBytes ||
      !std::all_of(location.begin(), location.end(), IsVisible)) {
    return "it is longer than 8 KiB, or holds something other than visible ASCII characters";
  }
  const std::string_view path = location.substr(0, location.find_first_of("?#"));
  if (!path.starts_with('/') || path.starts_with("//") ||
      location.find('\\') != std::string_view::npos) {
    return "it must be a path of this host, such as /v1/secret/data/foo";
  }
  if (!IsCanonical(path) || HasEncodedSeparator(path))
    return "its path has an empty, \".\" or \"..\" part, or an encoded '/', '.' or '\\'";
  if (!ChangesNothing(operation) && !path.starts_with(Concat({"/v1/", mount_path})))
    return "a request that may change something can only be sent on within its mount";
  return "";
}

}  // namespace belfry::api
