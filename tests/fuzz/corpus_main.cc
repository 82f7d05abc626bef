// Runs one fuzz target on files of its corpus: PROGRAM FILE... Without a fuzzer it still tries what
// is next to each file: all its beginnings, and the file with one bit of each byte changed.

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace belfry::fuzz {
namespace {

// Longer files are run as they are: the work grows with the square of the size.
constexpr std::size_t kMaxVariedBytes = 1024;

// In memory of its own that ends with the text.
void ExamineExactly(std::string_view text) {
  const std::vector<char> copy(text.begin(), text.end());
  Examine({copy.data(), copy.size()});
}

void ExamineAround(std::string text) {
  ExamineExactly(text);
  if (text.size() > kMaxVariedBytes) return;
  for (std::size_t size = 0; size < text.size(); ++size) {
    ExamineExactly(std::string_view(text).substr(0, size));
  }
  for (char& byte : text) {
    for (const int bit : {0x01, 0x20, 0x80}) {
      byte = static_cast<char>(byte ^ bit);
      ExamineExactly(text);
      byte = static_cast<char>(byte ^ bit);
    }
  }
}

}  // namespace
}  // namespace belfry::fuzz

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE...\n", argv[0]);
    return 2;
  }
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "%s: cannot be read\n", argv[i]);
      return 1;
    }
    belfry::fuzz::ExamineAround(
        std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()));
  }
  return 0;
}
