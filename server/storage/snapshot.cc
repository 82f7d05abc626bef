#include "server/storage/snapshot.h"

#include <string_view>
#include <utility>

#include "server/storage/physical_storage.h"

namespace belfry::storage {
namespace {

class WithoutOrdered final : public Snapshot {
 public:
  explicit WithoutOrdered(std::unique_ptr<Snapshot> all) : all_(std::move(all)) {}

  absl::StatusOr<std::vector<Entry>> Next(std::size_t bytes) override {
    for (;;) {
      absl::StatusOr<std::vector<Entry>> entries = all_->Next(bytes);
      if (!entries.ok() || entries->empty()) return entries;
      std::erase_if(*entries, [](const Entry& entry) {
        return std::string_view(entry.key).starts_with(kOrderedKeys);
      });
      if (!entries->empty()) return entries;
    }
  }

 private:
  const std::unique_ptr<Snapshot> all_;
};

}  // namespace

std::unique_ptr<Snapshot> WithoutOrderedKeys(std::unique_ptr<Snapshot> all) {
  return std::make_unique<WithoutOrdered>(std::move(all));
}

}  // namespace belfry::storage
