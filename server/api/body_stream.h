#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

namespace belfry::api {

// The body of an answer that is too large to be held, or of unknown length, in pieces that are made
// when there is room for them.
class BodyStream {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<std::string> piece)>;

  virtual ~BodyStream() = default;
  // Runs `done` once, on any thread, with the next piece, or with "" after the last one. After an
  // error, which the stream has logged, there are no more: the answer is broken off, and no client
  // takes it for whole. Called again only when `done` has run, and not from it.
  virtual void Next(Done done) = 0;
};

}  // namespace belfry::api
