#pragma once
#include "belfry/plugin.h"
void DefineNotes(belfry::Engine& engine);
