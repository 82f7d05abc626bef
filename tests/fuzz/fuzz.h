#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace belfry::fuzz {

// Each target defines it: feeds `input` to the code under test and claims what must hold whatever
// the input is. Called many times in one process, by one thread. The memory ends where `input`
// does, so that AddressSanitizer sees what reads on.
void Examine(std::string_view input);

// Takes the first line off `rest`, without its newline; all of it when it has none. Targets with
// several inputs read them line by line, so that people can write seeds.
inline std::string_view TakeLine(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace belfry::fuzz

// Ends the process, which is how a find is reported, unless the claim holds.
#define BELFRY_CLAIM(claim)                                                           \
  do {                                                                                \
    if (!(claim)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #claim); \
      std::abort();                                                                   \
    }                                                                                 \
  } while (false)
