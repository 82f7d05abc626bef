#include <cstddef>
#include <cstdint>

#include "tests/fuzz/fuzz.h"

// What libFuzzer calls, in the preset `fuzz`.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  belfry::fuzz::Examine({reinterpret_cast<const char*>(data), size});
  return 0;
}
