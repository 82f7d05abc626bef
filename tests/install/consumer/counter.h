#pragma once

#include "belfry/plugin.h"

// Counts: each write to counters/{name} adds `by`, one if not said.
void DefineCounter(belfry::Engine& engine);
