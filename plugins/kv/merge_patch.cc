#include "plugins/kv/merge_patch.h"

namespace belfry::kv {

void ApplyMergePatch(const Json& patch, Json& target) {
  const Json::Object* members = patch.if_object();
  if (members == nullptr) {
    target = patch;
    return;
  }
  if (target.if_object() == nullptr) target = Json::Object();
  Json::Object& object = *target.if_object();
  for (const auto& [name, value] : *members) {
    if (value.is_null()) {
      object.erase(name);
    } else {
      ApplyMergePatch(value, object[name]);
    }
  }
}

}  // namespace belfry::kv
