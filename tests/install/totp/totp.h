#pragma once

#include "belfry/plugin.h"

// Keeps the keys of time-based one-time passwords (RFC 6238): makes and imports them, generates and
// checks codes, each of which counts once, replaces keys that are due, and gives a session for a
// code. Subscribers learn of every change.
void DefineTotp(belfry::Engine& engine);
