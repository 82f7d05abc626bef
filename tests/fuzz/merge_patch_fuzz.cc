// JSON merge patches as kv applies them: the patch on the first line, the target on the second.
// (RFC 7396)

#include "plugins/kv/merge_patch.h"

#include "tests/fuzz/fuzz.h"

namespace belfry::kv {
namespace {

// What the patch says about a member holds afterwards; what it does not name has stayed.
void ExamineResult(const Json& patch, const Json& before, const Json& after) {
  const Json::Object* members = patch.if_object();
  if (members == nullptr) {
    BELFRY_CLAIM(after == patch);
    return;
  }
  BELFRY_CLAIM(after.if_object() != nullptr);
  for (const auto& [name, value] : *members) {
    const Json* patched = after.Find(name);
    BELFRY_CLAIM((patched == nullptr) == value.is_null());
    const Json* old = before.Find(name);
    if (patched != nullptr) ExamineResult(value, old == nullptr ? Json() : *old, *patched);
  }
  for (const auto& [name, value] : *after.if_object()) {
    if (!members->contains(name)) BELFRY_CLAIM(*before.Find(name) == value);
  }
}

}  // namespace
}  // namespace belfry::kv

void belfry::fuzz::Examine(std::string_view input) {
  const absl::StatusOr<Json> patch = Json::Parse(TakeLine(input));
  const absl::StatusOr<Json> target = Json::Parse(input);
  if (!patch.ok() || !target.ok()) return;
  Json patched = *target;
  kv::ApplyMergePatch(*patch, patched);
  kv::ExamineResult(*patch, *target, patched);
  Json twice = patched;
  kv::ApplyMergePatch(*patch, twice);
  BELFRY_CLAIM(twice == patched);
}
