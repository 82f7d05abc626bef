#include "server/bus/subjects.h"

namespace belfry::bus {

std::uint64_t Subjects::NumberOf(std::string_view path, std::string_view type) {
  const std::size_t size = path.size();
  key_.assign(reinterpret_cast<const char*>(&size), sizeof size);
  key_ += path;
  key_ += type;
  if (const std::uint64_t* known = numbers_.Find(key_)) return *known;
  numbers_.Put(key_, ++last_);
  return last_;
}

}  // namespace belfry::bus
