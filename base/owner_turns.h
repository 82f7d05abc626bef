#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belfry {

// Items that wait, each for its owner. The owners take turns, one item each, and the items of an
// owner come in the order in which they were added: however many one owner has, each of the others
// waits for one of them. Not thread-safe.
template <typename Item>
class OwnerTurns {
 public:
  void Add(std::string_view owner, Item item) {
    const auto [place, is_new] = waiting_.try_emplace(std::string(owner));
    place->second.push_back(std::move(item));
    if (is_new) turns_.push_back(place);
    ++size_;
  }

  // The item that Take would take; null when none waits.
  const Item* Next() const { return turns_.empty() ? nullptr : &turns_.front()->second.front(); }

  // Takes out the item whose turn it is; nullopt when none waits.
  std::optional<Item> Take() {
    std::optional<Owned> taken = TakeOf([](const std::string&) { return true; });
    if (!taken) return std::nullopt;
    return std::move(taken->item);
  }

  struct Owned {
    std::string owner;
    Item item;
  };
  // The same of the owners that `may` is true of; each of the others keeps its turn.
  template <typename Predicate>
  std::optional<Owned> TakeOf(const Predicate& may) {
    const auto turn = std::ranges::find_if(
        turns_, [&](typename ByOwner::iterator owner) { return may(owner->first); });
    if (turn == turns_.end()) return std::nullopt;
    const typename ByOwner::iterator owner = *turn;
    turns_.erase(turn);
    Owned taken{owner->first, std::move(owner->second.front())};
    owner->second.pop_front();
    if (owner->second.empty()) {
      waiting_.erase(owner);
    } else {
      turns_.push_back(owner);
    }
    --size_;
    return taken;
  }

  // Takes out the item that was added last for the owner of whom most wait; nullopt when none does.
  std::optional<Item> TakeNewestOfMost() {
    const auto most = std::ranges::max_element(
        turns_, {}, [](typename ByOwner::iterator owner) { return owner->second.size(); });
    if (most == turns_.end()) return std::nullopt;
    const typename ByOwner::iterator owner = *most;
    Item item = std::move(owner->second.back());
    owner->second.pop_back();
    if (owner->second.empty()) {
      turns_.erase(most);
      waiting_.erase(owner);
    }
    --size_;
    return item;
  }

  // Takes out every item that `chosen` is true of; the others keep their places.
  template <typename Predicate>
  std::vector<Item> TakeIf(const Predicate& chosen) {
    std::vector<Item> taken;
    std::erase_if(turns_, [&](typename ByOwner::iterator owner) {
      std::erase_if(owner->second, [&](Item& item) {
        if (!chosen(std::as_const(item))) return false;
        taken.push_back(std::move(item));
        return true;
      });
      if (!owner->second.empty()) return false;
      waiting_.erase(owner);
      return true;
    });
    size_ -= taken.size();
    return taken;
  }

  std::size_t size() const { return size_; }
  // How many wait for this owner.
  std::size_t SizeOf(std::string_view owner) const {
    const auto found = waiting_.find(owner);
    return found == waiting_.end() ? 0 : found->second.size();
  }

 private:
  using ByOwner = std::map<std::string, std::deque<Item>, std::less<>>;

  // Owners of whom something waits.
  ByOwner waiting_;
  // The same owners; the next is in front.
  std::deque<typename ByOwner::iterator> turns_;
  std::size_t size_ = 0;
};

}  // namespace belfry
