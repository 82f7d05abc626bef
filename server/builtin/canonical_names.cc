#include "server/builtin/canonical_names.h"

#include <algorithm>
#include <vector>

#include "base/paths.h"
#include "base/strings.h"
#include "base/text.h"
#include "base/utf8.h"
#include "server/access/policy_store.h"

namespace belfry::builtin {
namespace {

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

std::optional<Answer> RefuseLongPath(std::string_view path, const Limits& limits) {
  if (path.size() > limits.max_request_path_bytes) {
    return ErrorAnswer(
        400, Concat({"a path may have ", std::to_string(limits.max_request_path_bytes), " bytes"}));
  }
  const auto slashes = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
  if (slashes < limits.max_request_path_segments) return std::nullopt;
  return ErrorAnswer(400, Concat({"a path may have ",
                                  std::to_string(limits.max_request_path_segments), " segments"}));
}

std::optional<Answer> RefuseText(std::string_view path) {
  for (std::string_view rest = path; !rest.empty();) {
    const Utf8Character character = FirstCharacter(rest);
    if (!character.valid || !IsPrintable(character.code)) {
      return ErrorAnswer(400, "the path has a character that cannot be printed");
    }
    rest.remove_prefix(character.size);
  }
  if (IsCleanPath(path)) return std::nullopt;
  return ErrorAnswer(400,
                     "relative paths not supported: a path has no empty segment and no segment "
                     "\".\" or \"..\"");
}

std::optional<Answer> RefusePath(std::string_view path, const Limits& limits) {
  if (std::optional<Answer> refusal = RefuseLongPath(path, limits)) return refusal;
  return RefuseText(path);
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

}  // namespace belfry::builtin
