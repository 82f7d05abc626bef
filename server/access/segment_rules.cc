#include "server/access/segment_rules.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/access/acl.h"

namespace belfry::access {
namespace {

constexpr std::string_view kAny = "+";
// Of an entry in a map, with what the allocator adds.
constexpr std::size_t kEntryBytes = 96;

// Takes the text up to the next '/' off the front. False when it was the last one.
bool TakeSegment(std::string_view* rest, std::string_view* segment) {
  const std::size_t slash = rest->find('/');
  *segment = rest->substr(0, slash);
  rest->remove_prefix(slash == std::string_view::npos ? rest->size() : slash + 1);
  return slash != std::string_view::npos;
}

void Consider(const MergedRule* rule, const MergedRule** best) {
  if (rule == nullptr) return;
  if (*best == nullptr || Outranks(rule->rule, (*best)->rule)) *best = rule;
}

}  // namespace

SegmentRules::Node* SegmentRules::NewNode() {
  bytes_ += sizeof(Node);
  return &nodes_.emplace_back();
}

SegmentRules::Node* SegmentRules::Child(Node* node, std::string_view segment) {
  if (segment == kAny) {
    if (node->any == nullptr) node->any = NewNode();
    return node->any;
  }
  const auto [it, is_new] = node->children.try_emplace(std::string(segment), nullptr);
  if (is_new) {
    bytes_ += kEntryBytes + segment.size();
    it->second = NewNode();
  }
  return it->second;
}

void SegmentRules::Add(const MergedRule* rule) {
  Node* node = nodes_.empty() ? NewNode() : &nodes_.front();
  std::string_view rest = rule->rule.path;
  std::string_view segment;
  while (TakeSegment(&rest, &segment)) node = Child(node, segment);
  if (!rule->rule.prefix) {
    Child(node, segment)->whole = rule;
  } else if (segment == kAny) {
    node->any_prefix = rule;
  } else {
    node->prefixes.emplace(segment, rule);
    bytes_ += kEntryBytes + segment.size();
  }
}

SegmentRules::Best SegmentRules::Find(std::string_view path) const {
  Best best;
  std::vector<const Node*> here;
  std::vector<const Node*> next;
  if (!nodes_.empty()) here.push_back(&nodes_.front());
  for (bool more = true; more && !here.empty(); here.swap(next)) {
    std::string_view segment;
    more = TakeSegment(&path, &segment);
    next.clear();
    for (const Node* node : here) {
      best.looked_at += segment.size() + 1;
      Consider(node->any_prefix, &best.rule);
      const auto prefix = LongestPrefixIn(node->prefixes, segment);
      if (prefix != node->prefixes.end()) Consider(prefix->second, &best.rule);
      const auto child = node->children.find(segment);
      if (child != node->children.end()) next.push_back(child->second);
      if (node->any != nullptr) next.push_back(node->any);
    }
  }
  // Where the path ended, so may a pattern.
  for (const Node* node : here) Consider(node->whole, &best.rule);
  return best;
}

bool SegmentRules::VisitInto(std::string_view folder, const Visit& visit) const {
  std::vector<const Node*> here;
  std::vector<const Node*> next;
  if (!nodes_.empty()) here.push_back(&nodes_.front());
  while (!folder.empty() && !here.empty()) {
    std::string_view segment;
    TakeSegment(&folder, &segment);
    next.clear();
    for (const Node* node : here) {
      if (node->any_prefix != nullptr && visit(*node->any_prefix)) return true;
      for (std::size_t size = 0; size <= segment.size(); ++size) {
        const auto prefix = node->prefixes.find(segment.substr(0, size));
        if (prefix != node->prefixes.end() && visit(*prefix->second)) return true;
      }
      const auto child = node->children.find(segment);
      if (child != node->children.end()) next.push_back(child->second);
      if (node->any != nullptr) next.push_back(node->any);
    }
    here.swap(next);
  }
  return std::any_of(here.begin(), here.end(),
                     [&visit](const Node* node) { return VisitBelow(*node, visit); });
}

bool SegmentRules::VisitBelow(const Node& top, const Visit& visit) {
  std::vector<const Node*> waiting = {&top};
  while (!waiting.empty()) {
    const Node& node = *waiting.back();
    waiting.pop_back();
    for (const MergedRule* rule : {node.whole, node.any_prefix}) {
      if (rule != nullptr && visit(*rule)) return true;
    }
    for (const auto& [beginning, rule] : node.prefixes) {
      if (visit(*rule)) return true;
    }
    for (const auto& [segment, child] : node.children) waiting.push_back(child);
    if (node.any != nullptr) waiting.push_back(node.any);
  }
  return false;
}

}  // namespace belfry::access
