#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace belfry::mounts {

// Paths of an engine, without its mount, that are treated unlike others. A value; thread-safe.
class PathSet {
 public:
  PathSet() = default;
  // "login" is that path alone, "login/*" every path that begins with "login/"; a segment "+"
  // stands for any one segment. A '/' at the end of a path or a pattern makes no difference: a
  // list's path has one, and names the same as without.
  explicit PathSet(std::vector<std::string> patterns);

  bool Contains(std::string_view path) const;

 private:
  std::vector<std::string> patterns_;
};

// What an engine asks the host to treat specially. (plugin-protocol 5.7)
struct SpecialPaths {
  PathSet root;             // Only for who has the capability sudo.
  PathSet unauthenticated;  // For everybody, with no token at all.
};

}  // namespace belfry::mounts
