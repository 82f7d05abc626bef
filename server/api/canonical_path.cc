#include "server/api/canonical_path.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/paths.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/builtin/answer.h"
#include "server/builtin/canonical_names.h"

namespace belfry::api {
namespace {

using builtin::Answer;
using mounts::Operation;

// "a", "..", "", "b" → "/b"; a '/' at the end stays.
std::string Cleaned(std::string_view path) {
  std::vector<std::string_view> segments;
  for (const std::string_view segment : Split(path, '/')) {
    if (segment.empty() || segment == ".") continue;
    if (segment != "..") {
      segments.push_back(segment);
    } else if (!segments.empty()) {
      segments.pop_back();
    }
  }
  std::string clean;
  for (const std::string_view segment : segments) clean += Concat({"/", segment});
  if (clean.empty() || path.ends_with('/')) clean += '/';
  return clean;
}

// What is no part of a URL (RFC 3986) is escaped: a browser reads "/\host" as "//host".
std::string ForHeader(std::string_view target) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : target) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7F &&
        std::string_view("\"<>\\^`{|}").find(c) == std::string::npos) {
      escaped += c;
    } else {
      escaped += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return escaped;
}

// nullopt when the target's path is clean as it is written.
std::optional<Answer> RedirectToClean(std::string_view target) {
  const std::size_t end = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, end);
  if (path.empty() || IsCleanPath(path.substr(1))) return std::nullopt;
  Answer redirect = builtin::StatusAnswer(307);
  redirect.headers.emplace_back("Location", ForHeader(Concat({Cleaned(path), target.substr(end)})));
  return redirect;
}

}  // namespace

std::optional<Answer> RefuseTarget(const HttpRequest& request, const Limits& limits) {
  const std::string_view path = WithoutPrefix(request.path, "/");
  if (std::optional<Answer> refusal = builtin::RefuseLongPath(path, limits)) return refusal;
  if (std::optional<Answer> redirect = RedirectToClean(request.target)) return redirect;
  return builtin::RefuseText(path);
}

std::optional<std::string> CanonicalPath(std::string_view path, Operation operation) {
  std::string canonical = builtin::WithCanonicalNames(WithoutSuffix(path, "/"));
  if (canonical.ends_with('/') || !IsCleanPath(canonical)) return std::nullopt;
  if (operation == Operation::kList && !canonical.empty()) canonical += '/';
  return canonical;
}

builtin::Answer NamelessAnswer() {
  return builtin::ErrorAnswer(
      400,
      "the name at the end of the path begins or ends with '/' once the white space "
      "around it is taken away");
}

}  // namespace belfry::api
