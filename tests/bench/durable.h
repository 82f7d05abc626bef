#pragma once

#include <string>

namespace belfry::bench {

// What a disk and TLS cost: writes of kv 2 on RocksDB beside those in memory, and how many of them
// share an fsync; how long a killed server takes to answer again when it holds much; deliveries to
// subscribers over TLS beside plain ones. The number of bars that were missed.
int MeasureDurable(const std::string& bin);

}  // namespace belfry::bench
