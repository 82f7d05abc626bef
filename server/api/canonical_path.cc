#include "server/api/canonical_path.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/paths.h"
#include "base/strings.h"
#include "base/text.h"
#include "base/utf8.h"
#include "server/access/policy_store.h"
#include "server/api/responses.h"

namespace belfry::api {
namespace {

using mounts::Operation;

// Controls, spaces other than ' ', format characters and private use.
bool Printable(char32_t point) {
  static constexpr std::pair<char32_t, char32_t> kUnprintable[] = {
      {0x00, 0x1F},     {0x7F, 0xA0},       {0xAD, 0xAD},       {0x2000, 0x200F}, {0x2028, 0x202F},
      {0x205F, 0x206F}, {0x3000, 0x3000},   {0xE000, 0xF8FF},   {0xFEFF, 0xFEFF}, {0xFFF9, 0xFFFB},
      {0xFFFE, 0xFFFF}, {0xE0000, 0xE0FFF}, {0xF0000, 0x10FFFF}};
  for (const auto& [first, last] : kUnprintable) {
    if (point >= first && point <= last) return false;
  }
  return true;
}

std::optional<HttpResponse> RefuseText(std::string_view path) {
  for (std::string_view rest = path; !rest.empty();) {
    const Utf8Character character = FirstCharacter(rest);
    if (!character.valid || !Printable(character.code)) {
      return ErrorAnswer(400, "the path has a character that cannot be printed");
    }
    rest.remove_prefix(character.size);
  }
  if (IsCleanPath(path)) return std::nullopt;
  return ErrorAnswer(400,
                     "relative paths not supported: a path has no empty segment and no segment "
                     "\".\" or \"..\"");
}

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
std::optional<HttpResponse> RedirectToClean(std::string_view target) {
  const std::size_t end = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, end);
  if (path.empty() || IsCleanPath(path.substr(1))) return std::nullopt;
  HttpResponse redirect = Answer(307, "application/json", "");
  redirect.headers.emplace_back("Location", ForHeader(Concat({Cleaned(path), target.substr(end)})));
  return redirect;
}

std::string PolicyNameOf(std::string_view name) {
  return access::PolicyName(name);
}

std::string EventTypeOf(std::string_view name) {
  return std::string(Stripped(name));
}

struct Names {
  std::string_view folder;
  std::string (*canonical)(std::string_view name);
};

constexpr Names kNames[] = {{"sys/policies/acl/", &PolicyNameOf},
                            {"sys/policy/", &PolicyNameOf},
                            {"sys/events/subscribe/", &EventTypeOf},
                            {"sys/events/explain/", &EventTypeOf}};

}  // namespace

std::optional<HttpResponse> RefuseTarget(const HttpRequest& request, const Limits& limits) {
  const std::string_view path = WithoutPrefix(request.path, "/");
  if (std::optional<HttpResponse> refusal = RefuseLongPath(path, limits)) return refusal;
  if (std::optional<HttpResponse> redirect = RedirectToClean(request.target)) return redirect;
  return RefuseText(path);
}

std::optional<HttpResponse> RefuseLongPath(std::string_view path, const Limits& limits) {
  if (path.size() > limits.max_request_path_bytes) {
    return ErrorAnswer(
        400, Concat({"a path may have ", std::to_string(limits.max_request_path_bytes), " bytes"}));
  }
  const auto slashes = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
  if (slashes < limits.max_request_path_segments) return std::nullopt;
  return ErrorAnswer(400, Concat({"a path may have ",
                                  std::to_string(limits.max_request_path_segments), " segments"}));
}

std::optional<HttpResponse> RefusePath(std::string_view path, const Limits& limits) {
  if (std::optional<HttpResponse> refusal = RefuseLongPath(path, limits)) return refusal;
  return RefuseText(path);
}

std::optional<std::string> CanonicalPath(std::string_view path, Operation operation) {
  std::string canonical = WithCanonicalNames(WithoutSuffix(path, "/"));
  if (canonical.ends_with('/') || !IsCleanPath(canonical)) return std::nullopt;
  if (operation == Operation::kList && !canonical.empty()) canonical += '/';
  return canonical;
}

HttpResponse NamelessAnswer() {
  return ErrorAnswer(400,
                     "the name at the end of the path begins or ends with '/' once the white space "
                     "around it is taken away");
}

std::string WithCanonicalNames(std::string_view path) {
  for (const Names& names : kNames) {
    if (!path.starts_with(names.folder) || path == names.folder) continue;
    const std::string name = names.canonical(path.substr(names.folder.size()));
    // Nothing but white space names nothing: what is left is the folder.
    return name.empty() ? std::string(WithoutSuffix(names.folder, "/"))
                        : Concat({names.folder, name});
  }
  return std::string(path);
}

}  // namespace belfry::api
