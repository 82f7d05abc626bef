#pragma once

#include <sys/types.h>

#include <vector>

namespace belfry::bench {

// Seconds that the process has had of the processors, in all its threads; 0 when it has ended.
double ProcessorSeconds(pid_t process);
// Whoever descends from the process now.
std::vector<pid_t> Descendants(pid_t process);

}  // namespace belfry::bench
