#include "server/access/cubbyholes.h"

#include "base/text.h"

namespace belfry::access {
namespace {

std::string Folder(const TokenEntry& token) {
  return Concat({token.id, "/"});
}

std::string Key(const LiveToken& token, std::string_view path) {
  return Concat({token.entry.id, "/", path});
}

absl::Status Ended() {
  return absl::UnauthenticatedError("invalid token");
}

}  // namespace

absl::StatusOr<std::optional<std::string>> Cubbyholes::Get(const LiveToken& token,
                                                           std::string_view path) const {
  return storage_->Get(Key(token, path));
}

absl::Status Cubbyholes::Put(const LiveToken& token, std::string_view path,
                             std::string_view value) {
  const std::string key = Key(token, path);
  if (!token.life->Lasts(clock_->Now())) return Ended();
  if (absl::Status status = storage::Put(*storage_, key, value); !status.ok()) return status;
  if (token.life->Lasts(clock_->Now())) return absl::OkStatus();
  // It has ended meanwhile, so that Clear may have come before the write.
  absl::Status status = storage::Delete(*storage_, key);
  return status.ok() ? Ended() : status;
}

absl::Status Cubbyholes::Delete(const LiveToken& token, std::string_view path) {
  return storage::Delete(*storage_, Key(token, path));
}

absl::StatusOr<std::vector<std::string>> Cubbyholes::List(const LiveToken& token,
                                                          std::string_view folder) const {
  return storage_->List(Key(token, folder));
}

absl::Status Cubbyholes::Clear(const TokenEntry& token) {
  return storage::DeleteAll(*storage_, Folder(token));
}

absl::Status Cubbyholes::DropStrays(const std::function<bool(const std::string& id)>& is_known) {
  const absl::StatusOr<std::vector<std::string>> folders = storage_->List("");
  if (!folders.ok()) return folders.status();
  for (const std::string& folder : *folders) {
    const TokenEntry token{.id = folder.substr(0, folder.find('/'))};
    if (is_known(token.id)) continue;
    if (absl::Status status = Clear(token); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace belfry::access
