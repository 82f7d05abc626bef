#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "server/access/policy.h"

namespace belfry::access {

struct MergedRule;

// The longest key that `text` begins with, or the end. For a map of text; linear in the text for
// given keys.
template <typename Map>
typename Map::const_iterator LongestPrefixIn(const Map& map, std::string_view text) {
  // Every prefix of the text is also one of what it has in common with the key just before it.
  for (std::string_view common = text;;) {
    auto it = map.upper_bound(common);
    if (it == map.begin()) return map.end();
    --it;
    const std::string_view key = it->first;
    if (text.starts_with(key)) return it;
    std::size_t same = 0;
    while (same < common.size() && same < key.size() && common[same] == key[same]) ++same;
    common = common.substr(0, same);
  }
}

// Rules whose patterns have "+" segments, as a tree of segments: a path is read once, however long
// it is. Not copied: who adds a rule keeps it in place. Immutable once all are added, then
// thread-safe.
class SegmentRules {
 public:
  SegmentRules() = default;
  SegmentRules(const SegmentRules&) = delete;
  SegmentRules& operator=(const SegmentRules&) = delete;

  void Add(const MergedRule* rule);

  struct Best {
    const MergedRule* rule = nullptr;  // nullptr: none matches.
    std::size_t looked_at = 0;         // Bytes of the path, each time that they were compared.
  };
  // The matching rule that outranks the others. Linear in the path for given rules.
  Best Find(std::string_view path) const;

  // Calls `visit` with each rule that may match a path that begins with `folder`, which ends in
  // '/', or the folder's own path without its slash, until it returns true; returns whether it did.
  // Linear in the folder and in what is visited.
  using Visit = std::function<bool(const MergedRule&)>;
  bool VisitInto(std::string_view folder, const Visit& visit) const;

  bool empty() const { return nodes_.empty(); }
  std::size_t bytes() const { return bytes_; }

 private:
  // What may follow a beginning of some pattern.
  struct Node {
    std::map<std::string, Node*, std::less<>> children;  // By segment.
    Node* any = nullptr;                                 // "+".
    const MergedRule* whole = nullptr;                   // A pattern ends here.
    // Patterns that end in '*', by the beginning of the last segment.
    std::map<std::string, const MergedRule*, std::less<>> prefixes;
    const MergedRule* any_prefix = nullptr;  // The same, "+*".
  };

  Node* NewNode();
  Node* Child(Node* node, std::string_view segment);
  static bool VisitBelow(const Node& top, const Visit& visit);

  std::deque<Node> nodes_;  // The first is the root; each stays in place.
  std::size_t bytes_ = 0;
};

}  // namespace belfry::access
