#pragma once

#include <cstddef>
#include <iterator>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace belfry {

// Values by name, as long as they take up no more than so many bytes: what was not used for longest
// goes first. Not thread-safe.
template <typename Value>
class LruCache {
 public:
  explicit LruCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // nullptr when it is not there. The value stays in place until the next change.
  Value* Find(std::string_view name) {
    const auto it = index_.find(name);
    if (it == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, it->second);
    return &it->second->value;
  }

  // Takes the place of what had that name. `value_bytes` is what the value holds besides itself;
  // one that is too large for the whole cache is not kept.
  void Put(std::string_view name, Value value, std::size_t value_bytes = 0) {
    Erase(name);
    const std::size_t bytes = BytesOf(name) + value_bytes;
    if (bytes > max_bytes_) return;
    while (bytes_ + bytes > max_bytes_) Drop(std::prev(entries_.end()));
    entries_.push_front({std::string(name), std::move(value), bytes});
    index_.emplace(entries_.front().name, entries_.begin());
    bytes_ += bytes;
  }

  void Erase(std::string_view name) {
    if (const auto it = index_.find(name); it != index_.end()) Drop(it->second);
  }

  // Each value, the one that was used last first; that is no use of it.
  template <typename Function>
  void ForEach(const Function& function) const {
    for (const Entry& entry : entries_) function(entry.value);
  }

  // Takes out every value that `chosen` is true of, the one that was used last first.
  template <typename Predicate>
  std::vector<Value> TakeIf(const Predicate& chosen) {
    std::vector<Value> taken;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      const auto next = std::next(entry);
      if (chosen(std::as_const(entry->value))) {
        taken.push_back(std::move(entry->value));
        Drop(entry);
      }
      entry = next;
    }
    return taken;
  }

  // What it costs to keep a value of that name, apart from what the value holds.
  static std::size_t BytesOf(std::string_view name) { return kEntryBytes + name.size(); }

  std::size_t size() const { return entries_.size(); }
  // Of all that is kept, with what it costs to keep it.
  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    const std::string name;
    Value value;
    std::size_t bytes;
  };
  using Entries = std::list<Entry>;
  // The entry, its places in list and index, and what the allocator adds to these.
  static constexpr std::size_t kEntryBytes = sizeof(Entry) + 128;

  void Drop(typename Entries::iterator entry) {
    bytes_ -= entry->bytes;
    index_.erase(entry->name);
    entries_.erase(entry);
  }

  const std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  Entries entries_;  // What was used last comes first.
  // By the entries' own names.
  std::unordered_map<std::string_view, typename Entries::iterator> index_;
};

}  // namespace belfry
