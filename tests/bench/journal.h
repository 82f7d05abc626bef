#pragma once

#include <string>

namespace belfry::bench {

// The journal of events: how fast they become durable, beside NATS JetStream with fsync before each
// acknowledgement if BELFRY_BENCH_NATS names a nats-server that can do that (2.10 and later); how
// fast they are read again; what following costs; what those who are behind cost a writer; and how
// long a start takes. Returns how many bars were missed. `bin` is the folder with belfry, plugins
// and test-plugins.
int MeasureJournal(const std::string& bin);

}  // namespace belfry::bench
