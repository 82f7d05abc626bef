#include "server/seal/auto_seal.h"

#include "server/seal/file_seal.h"

namespace belfry::seal {

std::unique_ptr<AutoSeal> NewAutoSeal(const SealOptions& options) {
  switch (options.kind) {
    case SealKind::kShamir:
    case SealKind::kCommand:
      return nullptr;
    case SealKind::kFile:
      return std::make_unique<FileSeal>(options.path);
  }
  return nullptr;
}

}  // namespace belfry::seal
