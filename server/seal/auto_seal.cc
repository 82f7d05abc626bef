#include "server/seal/auto_seal.h"

#include "server/seal/command_seal.h"
#include "server/seal/file_seal.h"

namespace belfry::seal {

std::unique_ptr<AutoSeal> NewAutoSeal(const SealOptions& options) {
  switch (options.kind) {
    case SealKind::kShamir:
      return nullptr;
    case SealKind::kFile:
      return std::make_unique<FileSeal>(options.path);
    case SealKind::kCommand:
      return std::make_unique<CommandSeal>(options);
  }
  return nullptr;
}

}  // namespace belfry::seal
