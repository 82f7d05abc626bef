#include "plugins/kv/kv.h"

#include <string>

#include "plugins/kv/kv_v1.h"
#include "plugins/kv/kv_v2.h"

namespace belfry::kv {

void DefineKv(Engine& engine) {
  const std::string version(engine.MountOption("version"));
  if (version.empty() || version == "1") {
    engine.Keep<KvV1>();
  } else if (version == "2") {
    engine.Keep<KvV2>();
  } else {
    engine.OnInitialize([version](HookContext&) {
      return absl::InvalidArgumentError("kv has the versions 1 and 2, not \"" + version + "\"");
    });
  }
}

}  // namespace belfry::kv
