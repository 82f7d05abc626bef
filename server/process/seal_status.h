#pragma once

#include "server/builtin/answer.h"
#include "server/process/endpoint.h"

namespace belfry::process {

// What sys/seal-status answers, and sys/unseal.
builtin::Answer SealStatusAnswer(const Context& context);

}  // namespace belfry::process
