#pragma once

#include "tests/bench/belfry_server.h"

namespace belfry::bench {

// Writes and reads a second through HTTP, host, kv plugin and storage, of kv 1 and 2, by 1, 8 and
// 64 clients; beside them what each request costs: calls to the storage, processor time. The number
// of bars that were missed.
int MeasureKv(Belfry& belfry);

}  // namespace belfry::bench
