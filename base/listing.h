#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace belfry {

// What is directly below `prefix` (empty, or ending in '/') among the keys of an ordered map with
// std::less<>: without the prefix, in lexical order, each name once; folders end in '/'. Looks at
// one key a name, however much lies in a folder.
template <typename Map>
std::vector<std::string> NamesBelow(const Map& map, std::string_view prefix) {
  std::vector<std::string> names;
  auto it = map.lower_bound(prefix);
  while (it != map.end() && it->first.starts_with(prefix)) {
    const std::string_view rest = std::string_view(it->first).substr(prefix.size());
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) {
      if (!rest.empty()) names.emplace_back(rest);
      ++it;
    } else {
      names.emplace_back(rest.substr(0, slash + 1));
      // '0' follows '/': skips everything else in the folder.
      it = map.lower_bound(Concat({prefix, rest.substr(0, slash), "0"}));
    }
  }
  return names;
}

}  // namespace belfry
