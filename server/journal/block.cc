#include "server/journal/block.h"

#include <utility>

#include "absl/time/time.h"
#include "base/sha256.h"
#include "proto/belfry/v1/journal.pb.h"

namespace belfry::journal {
namespace {

void Add(const storage::AcceptedEvent& event, v1::JournalBlock& block) {
  v1::JournalEvent& added = *block.add_events();
  added.set_accepted(absl::ToUnixNanos(event.accepted));
  added.set_received(event.bytes);
  added.set_type(event.type);
  added.set_path(event.path);
  added.set_mount(event.mount);
  added.set_namespace_(event.name_space);
}

storage::AcceptedEvent Take(std::uint64_t sequence, v1::JournalEvent& stored) {
  return {.sequence = sequence,
          .accepted = absl::FromUnixNanos(stored.accepted()),
          .bytes = std::move(*stored.mutable_received()),
          .type = std::move(*stored.mutable_type()),
          .path = std::move(*stored.mutable_path()),
          .mount = std::move(*stored.mutable_mount()),
          .name_space = std::move(*stored.mutable_namespace_())};
}

}  // namespace

EncodedBlock EncodeBlock(std::string_view previous,
                         std::span<storage::AcceptedEvent* const> events) {
  v1::JournalBlock block;
  block.set_previous(std::string(previous));
  block.set_first(events.front()->sequence);
  EncodedBlock encoded;
  for (std::size_t bytes = 0; encoded.events < events.size() && bytes < kBlockBytes;) {
    const storage::AcceptedEvent& event = *events[encoded.events++];
    Add(event, block);
    bytes += event.bytes.size() + event.type.size() + event.path.size();
  }
  encoded.bytes = block.SerializeAsString();
  return encoded;
}

std::optional<StoredBlock> DecodeBlock(std::string_view bytes) {
  v1::JournalBlock stored;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return std::nullopt;
  if (stored.events().empty() || stored.first() == 0) return std::nullopt;
  StoredBlock decoded{.previous = std::move(*stored.mutable_previous()), .block = {}};
  std::vector<storage::AcceptedEvent>& events = decoded.block.events;
  events.reserve(static_cast<std::size_t>(stored.events_size()));
  for (v1::JournalEvent& event : *stored.mutable_events())
    events.push_back(Take(stored.first() + events.size(), event));
  return decoded;
}

std::string HashOf(std::string_view block) {
  Sha256 digest;
  digest.Update(block);
  return digest.Finish();
}

}  // namespace belfry::journal
