#pragma once

#include <cstdint>

namespace belfry {

// What may be the HTTP status of an answer, and of an error; one rule for engines and hosts. A
// status below 200 is no answer yet.
constexpr bool IsAnswerStatus(std::int64_t status) {
  return status >= 200 && status <= 599;
}
constexpr bool IsErrorStatus(std::int64_t status) {
  return status >= 400 && status <= 599;
}

}  // namespace belfry
