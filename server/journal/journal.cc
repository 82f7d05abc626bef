#include "server/journal/journal.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <span>
#include <utility>

#include "absl/strings/escaping.h"
#include "base/ids.h"
#include "base/text.h"

namespace belfry::journal {
namespace {

using storage::AcceptedEvent;
using storage::Entry;
using storage::WriteBatch;

// Where it lies, below storage::kOrderedKeys. A block, and the summary of a segment, has the place
// of its last event as its name, so that the first one behind a place is the one that has the next
// event.
constexpr std::string_view kEpoch = "ordered/journal/epoch";
constexpr std::string_view kBlocks = "ordered/journal/blocks/";
constexpr std::string_view kSegmentsFolder = "ordered/journal/segments/";
static_assert(kEpoch.starts_with(storage::kOrderedKeys));

// Of short ones; what is longer is read by itself, so that a follower takes up little memory.
constexpr std::size_t kBlocksAtOnce = 16;
constexpr std::size_t kShortBlock = kBlockBytes / kBlocksAtOnce;
constexpr std::size_t kPage = 1000;
constexpr std::size_t kTailBytes = std::size_t{4} << 20;

std::string Key(std::string_view folder, std::uint64_t sequence) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(sequence));
  return Concat({folder, digits});
}

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(
      Concat({"the journal of events is damaged: ", what, "; restore a copy of the storage"}));
}

// One that is missing, in front of this place.
absl::Status Missing(std::uint64_t before) {
  return Damaged(Concat({"events in front of ", std::to_string(before), " are missing"}));
}

// All entries in their order, from behind `after` on.
absl::StatusOr<std::vector<Entry>> AllBehind(const storage::PhysicalStorage& storage,
                                             std::string_view folder, std::string after) {
  std::vector<Entry> all;
  for (;;) {
    absl::StatusOr<std::vector<Entry>> page = storage.Scan(folder, after, kPage);
    if (!page.ok()) return page.status();
    const bool more = page->size() == kPage;
    if (more) after = page->back().key;
    std::move(page->begin(), page->end(), std::back_inserter(all));
    if (!more) return all;
  }
}

absl::StatusOr<StoredBlock> BlockOf(const Entry& entry) {
  std::optional<StoredBlock> block = DecodeBlock(entry.value);
  if (!block || Key(kBlocks, block->block.last()) != entry.key)
    return Damaged(Concat({"the block ", entry.key, " cannot be read"}));
  return *std::move(block);
}

std::size_t BytesOf(const Block& block) {
  std::size_t bytes = 0;
  for (const AcceptedEvent& event : block.events)
    bytes += sizeof(AcceptedEvent) + event.bytes.size() + event.type.size() + event.path.size();
  return bytes;
}

std::vector<AcceptedEvent*> Flat(storage::CommittedEvents events) {
  std::vector<AcceptedEvent*> flat;
  for (const std::span<AcceptedEvent> some : events) {
    for (AcceptedEvent& event : some) flat.push_back(&event);
  }
  return flat;
}

// The segment has one more block, of these events.
void Extend(std::optional<Segment>& open, const AcceptedEvent& first, const AcceptedEvent& last,
            std::size_t bytes, const std::string& hash) {
  if (!open) open = Segment{.first = first.sequence, .began = first.accepted};
  open->last = last.sequence;
  open->accepted = last.accepted;
  open->bytes += bytes;
  open->hash = hash;
}

bool IsFull(const Segment& segment, const Retention& retention) {
  return segment.bytes >= retention.SegmentBytes() ||
         segment.accepted - segment.began >= retention.SegmentSpan();
}

}  // namespace

Journal::Journal(storage::PhysicalStorage* storage, Metrics* metrics, const Retention& retention)
    : storage_(storage),
      retention_(retention),
      first_gauge_(metrics->GetGauge("belfry_journal_first_sequence",
                                     "The oldest event that the journal keeps.")),
      last_gauge_(metrics->GetGauge("belfry_journal_last_sequence",
                                    "The last event that the journal has stored.")),
      bytes_gauge_(metrics->GetGauge("belfry_journal_bytes",
                                     "What the journal's events take, before encryption.")) {}

Journal::~Journal() {
  for (Gauge* const gauge : {&first_gauge_, &last_gauge_, &bytes_gauge_})
    gauge->Add(-gauge->Value());
}

absl::Status Journal::Open() {
  if (absl::Status failed = OpenEpoch(); !failed.ok()) return failed;
  if (absl::Status failed = ReadSegments(); !failed.ok()) return failed;
  if (absl::Status failed = ReadOpenSegment(); !failed.ok()) return failed;
  MutexLock lock(&mutex_);
  kept_.last = end_.last;
  kept_.first = end_.last + 1;
  if (end_.open) kept_.first = end_.open->first;
  if (!segments_.empty()) kept_.first = segments_.front().first;
  Show();
  return absl::OkStatus();
}

absl::Status Journal::OpenEpoch() {
  absl::StatusOr<std::optional<std::string>> stored = storage_->Get(kEpoch);
  if (!stored.ok()) return stored.status();
  if (*stored) {
    epoch_ = **std::move(stored);
    return absl::OkStatus();
  }
  std::array<unsigned char, Cursor::kEpochDigits / 2> random;
  FillRandom(random);
  epoch_ = absl::BytesToHexString({reinterpret_cast<const char*>(random.data()), random.size()});
  WriteBatch batch;
  batch.Put(std::string(kEpoch), epoch_);
  WriteBatch* const one = &batch;
  return storage_->Write({&one, 1});
}

absl::Status Journal::ReadSegments() {
  const auto stored = AllBehind(*storage_, kSegmentsFolder, "");
  if (!stored.ok()) return stored.status();
  MutexLock lock(&mutex_);
  for (const Entry& entry : *stored) {
    std::optional<Segment> segment = DecodeSegment(entry.value);
    if (!segment || Key(kSegmentsFolder, segment->last) != entry.key)
      return Damaged(Concat({"the summary ", entry.key, " cannot be read"}));
    if (!segments_.empty() && segment->first != segments_.back().last + 1)
      return Missing(segment->first);
    bytes_ += segment->bytes;
    end_ = {.last = segment->last, .hash = segment->hash, .open = std::nullopt};
    segments_.push_back(*std::move(segment));
  }
  return absl::OkStatus();
}

// Of which there is no summary yet.
absl::Status Journal::ReadOpenSegment() {
  const auto stored = AllBehind(*storage_, kBlocks, Key(kBlocks, end_.last));
  if (!stored.ok()) return stored.status();
  MutexLock lock(&mutex_);
  for (const Entry& entry : *stored) {
    absl::StatusOr<StoredBlock> decoded = BlockOf(entry);
    if (!decoded.ok()) return decoded.status();
    Block& block = decoded->block;
    if (block.first() != end_.last + 1 || decoded->previous != end_.hash)
      return Missing(block.first());
    end_.last = block.last();
    end_.hash = HashOf(entry.value);
    Extend(end_.open, block.events.front(), block.events.back(), entry.value.size(), end_.hash);
    bytes_ += entry.value.size();
    AddToTail(std::move(block));
  }
  return absl::OkStatus();
}

Journal::Range Journal::Kept() const {
  MutexLock lock(&mutex_);
  return kept_;
}

absl::StatusOr<std::vector<BlockPtr>> Journal::Read(std::uint64_t after) const {
  Range kept;
  {
    MutexLock lock(&mutex_);
    kept = kept_;
    if (after >= kept.last) return std::vector<BlockPtr>();
    if (!tail_.empty() && tail_.front()->first() <= after + 1) return FromTail(after);
  }
  const auto entries = ReadEntries(Key(kBlocks, after));
  if (!entries.ok()) return entries.status();
  std::vector<BlockPtr> blocks;
  std::uint64_t end = std::max(after, kept.first - 1);
  for (const Entry& entry : *entries) {
    absl::StatusOr<StoredBlock> stored = BlockOf(entry);
    if (!stored.ok()) return stored.status();
    Block& block = stored->block;
    // Those that commit are not done with it yet.
    if (block.first() > kept.last) break;
    const bool continues = block.first() <= end + 1;
    // What has been deleted meanwhile is not missing.
    if (!continues && block.first() > Kept().first) return Missing(block.first());
    end = block.last();
    blocks.push_back(std::make_shared<const Block>(std::move(block)));
  }
  if (!blocks.empty()) return blocks;
  MutexLock lock(&mutex_);
  return FromTail(after);
}

absl::StatusOr<std::vector<Entry>> Journal::ReadEntries(const std::string& after) const {
  absl::StatusOr<std::vector<Entry>> first = storage_->Scan(kBlocks, after, 1);
  const bool is_short = first.ok() && !first->empty() && first->front().value.size() < kShortBlock;
  if (!is_short) return first;
  absl::StatusOr<std::vector<Entry>> entries = storage_->Scan(kBlocks, after, kBlocksAtOnce);
  if (!entries.ok()) return entries;
  // What follows may be long.
  std::size_t bytes = 0;
  const auto end = std::find_if(entries->begin(), entries->end(), [&bytes](const Entry& entry) {
    return (bytes += entry.value.size()) > kBlockBytes;
  });
  entries->erase(end, entries->end());
  return entries;
}

std::vector<BlockPtr> Journal::FromTail(std::uint64_t after) const {
  const auto first =
      std::partition_point(tail_.begin(), tail_.end(),
                           [after](const BlockPtr& block) { return block->last() <= after; });
  const auto count = std::min<std::ptrdiff_t>(tail_.end() - first, kBlocksAtOnce);
  return {first, first + count};
}

void Journal::AddToTail(Block block) {
  tail_bytes_ += BytesOf(block);
  tail_.push_back(std::make_shared<const Block>(std::move(block)));
  while (tail_bytes_ > kTailBytes && tail_.size() > 1) ShortenTail();
}

void Journal::ShortenTail() {
  tail_bytes_ -= BytesOf(*tail_.front());
  tail_.pop_front();
}

void Journal::Record(storage::CommittedEvents events, WriteBatch* records) {
  prepared_ = {.end = end_, .blocks = {}, .closed = std::nullopt};
  End& end = prepared_.end;
  const std::vector<AcceptedEvent*> flat = Flat(events);
  for (AcceptedEvent* const event : flat) event->sequence = ++end.last;
  for (std::span<AcceptedEvent* const> left = flat; !left.empty();) {
    EncodedBlock encoded = EncodeBlock(end.hash, left);
    end.hash = HashOf(encoded.bytes);
    Extend(end.open, *left.front(), *left[encoded.events - 1], encoded.bytes.size(), end.hash);
    records->Put(Key(kBlocks, end.open->last), std::move(encoded.bytes));
    prepared_.blocks.push_back(encoded.events);
    left = left.subspan(encoded.events);
  }
  if (!IsFull(*end.open, retention_)) return;
  records->Put(Key(kSegmentsFolder, end.open->last), EncodeSegment(*end.open));
  prepared_.closed = std::exchange(end.open, std::nullopt);
}

void Journal::Keep(storage::CommittedEvents events) {
  const std::vector<AcceptedEvent*> flat = Flat(events);
  {
    MutexLock lock(&mutex_);
    auto next = flat.begin();
    for (const std::size_t count : prepared_.blocks) {
      Block block;
      block.events.reserve(count);
      for (const auto end = next + static_cast<std::ptrdiff_t>(count); next != end; ++next)
        block.events.push_back(std::move(**next));
      AddToTail(std::move(block));
    }
    // Of the open segment, or of the one that was closed: both go on from there.
    const std::uint64_t before = end_.open ? end_.open->bytes : 0;
    const std::optional<Segment>& grown = prepared_.closed ? prepared_.closed : prepared_.end.open;
    bytes_ += grown->bytes - before;
    if (prepared_.closed) segments_.push_back(*prepared_.closed);
    end_ = std::move(prepared_.end);
    kept_.last = end_.last;
    Show();
  }
  if (on_more_) on_more_();
}

std::optional<WriteBatch> Journal::TakeExpired(absl::Time now) {
  MutexLock lock(&mutex_);
  const std::uint64_t first = kept_.first;
  // The last one says where to go on after a restart.
  while (segments_.size() > 1 &&
         (bytes_ > retention_.max_bytes || segments_.front().accepted < now - retention_.max_age)) {
    const Segment& oldest = segments_.front();
    bytes_ -= oldest.bytes;
    kept_.first = oldest.last + 1;
    segments_.pop_front();
  }
  if (kept_.first == first) return std::nullopt;
  // Also what an earlier batch was to delete, which may have failed, or be stored after this one: a
  // start must find no hole.
  WriteBatch batch;
  batch.DeleteRange(Key(kBlocks, 0), Key(kBlocks, kept_.first));
  batch.DeleteRange(Key(kSegmentsFolder, 0), Key(kSegmentsFolder, kept_.first));
  while (!tail_.empty() && tail_.front()->last() < kept_.first) ShortenTail();
  Show();
  return batch;
}

void Journal::Show() {
  const auto set = [](Gauge& gauge, std::uint64_t value) {
    gauge.Add(static_cast<std::int64_t>(value) - gauge.Value());
  };
  set(first_gauge_, kept_.first);
  set(last_gauge_, kept_.last);
  set(bytes_gauge_, bytes_);
}

}  // namespace belfry::journal
