#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/storage/accepted_event.h"

namespace belfry::journal {

// Events that follow each other without a gap, at least one. Immutable, shared by all who read it.
struct Block {
  std::vector<storage::AcceptedEvent> events;

  std::uint64_t first() const { return events.front().sequence; }
  std::uint64_t last() const { return events.back().sequence; }
};
using BlockPtr = std::shared_ptr<const Block>;

// A block takes further events while those that it has come to fewer bytes.
inline constexpr std::size_t kBlockBytes = std::size_t{64} << 10;

// What is stored of the first of some events, which have their places, without a gap.
struct EncodedBlock {
  std::string bytes;
  std::size_t events = 0;  // So many of them.
};
// `previous`: the hash of the block before; "" for the first block.
EncodedBlock EncodeBlock(std::string_view previous,
                         std::span<storage::AcceptedEvent* const> events);

struct StoredBlock {
  std::string previous;
  Block block;
};
// nullopt: these are not the bytes of a block.
std::optional<StoredBlock> DecodeBlock(std::string_view bytes);

// By which the next block names it.
std::string HashOf(std::string_view block);

}  // namespace belfry::journal
