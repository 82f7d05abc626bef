#pragma once

#include <string>

namespace belfry::bench {

// This build beside an earlier one, the baseline: both in turn, by the clients of this one, with
// what the other parts measure but for hostile inputs and the disk. The number of bars that were
// missed.
int CompareWithBaseline(const std::string& bin, const std::string& baseline);

}  // namespace belfry::bench
