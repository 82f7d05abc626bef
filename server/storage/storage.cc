#include "server/storage/storage.h"

#include <future>
#include <utility>

#include "base/text.h"

namespace belfry::storage {
namespace {

// Entries that are read at once, and keys that are deleted at once.
constexpr std::size_t kPage = 1000;

class View final : public Storage {
 public:
  View(Storage* base, std::string prefix) : base_(base), prefix_(std::move(prefix)) {}

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    return base_->Get(Concat({prefix_, key}));
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view prefix) const override {
    return base_->List(Concat({prefix_, prefix}));
  }
  absl::StatusOr<std::vector<Entry>> Scan(std::string_view prefix, std::string_view after,
                                          std::size_t limit) const override {
    auto entries = base_->Scan(Concat({prefix_, prefix}),
                               after.empty() ? std::string() : Concat({prefix_, after}), limit);
    if (!entries.ok()) return entries;
    for (Entry& entry : *entries) entry.key.erase(0, prefix_.size());
    return entries;
  }
  void Commit(WriteBatch batch, Done done) override {
    for (Operation& operation : batch.operations) {
      operation.key.insert(0, prefix_);
      if (!operation.end.empty()) operation.end.insert(0, prefix_);
    }
    base_->Commit(std::move(batch), std::move(done));
  }

 private:
  Storage* const base_;
  const std::string prefix_;
};

}  // namespace

absl::Status CommitAndWait(Storage& storage, WriteBatch batch) {
  // Shared: whoever sets the value may still be at it when the value has been got.
  const auto ended = std::make_shared<std::promise<absl::Status>>();
  std::future<absl::Status> status = ended->get_future();
  storage.Commit(std::move(batch),
                 [ended](absl::Status committed) { ended->set_value(std::move(committed)); });
  return status.get();
}

absl::Status Put(Storage& storage, std::string_view key, std::string_view value) {
  WriteBatch batch;
  batch.Put(std::string(key), std::string(value));
  return CommitAndWait(storage, std::move(batch));
}

absl::Status Delete(Storage& storage, std::string_view key) {
  WriteBatch batch;
  batch.Delete(std::string(key));
  return CommitAndWait(storage, std::move(batch));
}

absl::Status ForEach(const Storage& storage, std::string_view prefix,
                     const absl::AnyInvocable<absl::Status(const Entry&) const>& visit) {
  std::string after;
  for (;;) {
    const absl::StatusOr<std::vector<Entry>> page = storage.Scan(prefix, after, kPage);
    if (!page.ok()) return page.status();
    for (const Entry& entry : *page) {
      if (absl::Status status = visit(entry); !status.ok()) return status;
    }
    if (page->size() < kPage) return absl::OkStatus();
    after = page->back().key;
  }
}

absl::Status DeleteAll(Storage& storage, std::string_view prefix) {
  // Not from the start for each page: a storage on disk has to pass over what was deleted.
  std::string after;
  for (;;) {
    absl::StatusOr<std::vector<Entry>> page = storage.Scan(prefix, after, kPage);
    if (!page.ok()) return page.status();
    if (page->empty() && after.empty()) return absl::OkStatus();
    after = page->empty() ? "" : page->back().key;
    WriteBatch batch;
    for (Entry& entry : *page) batch.Delete(std::move(entry.key));
    if (absl::Status status = CommitAndWait(storage, std::move(batch)); !status.ok()) return status;
  }
}

std::unique_ptr<Storage> NewView(Storage* base, std::string prefix) {
  return std::make_unique<View>(base, std::move(prefix));
}

}  // namespace belfry::storage
