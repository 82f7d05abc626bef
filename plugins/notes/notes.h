#pragma once
#include "belfry/plugin.h"
void DefineNotes(belfry::SecretsEngine& engine);
