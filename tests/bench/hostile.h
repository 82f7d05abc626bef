#pragma once

#include <string>

namespace belfry::bench {

// What another client waits for at worst, for `sys/health` and for a write, while somebody sends
// what costs a server most. The number of aims that were missed. `bin` as of Belfry.
int MeasureHostile(const std::string& bin);

}  // namespace belfry::bench
