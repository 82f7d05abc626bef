#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function unless the expression, an absl::Status, is OK.
#define BELFRY_RETURN_IF_ERROR(expression)                                \
  do {                                                                    \
    if (absl::Status belfry_status = (expression); !belfry_status.ok()) { \
      return belfry_status;                                               \
    }                                                                     \
  } while (false)

// BELFRY_ASSIGN_OR_RETURN(auto x, F()) sets x to the value of F's absl::StatusOr, or returns its
// status.
#define BELFRY_ASSIGN_OR_RETURN(target, expression) \
  BELFRY_ASSIGN_OR_RETURN_IMPL(BELFRY_JOIN(belfry_status_or_, __LINE__), target, expression)
#define BELFRY_ASSIGN_OR_RETURN_IMPL(temporary, target, expression) \
  auto temporary = (expression);                                    \
  if (!temporary.ok()) return std::move(temporary).status();        \
  target = *std::move(temporary)
#define BELFRY_JOIN(a, b) BELFRY_JOIN_IMPL(a, b)
#define BELFRY_JOIN_IMPL(a, b) a##b
