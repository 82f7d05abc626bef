#pragma once

#include <variant>

#include "absl/functional/any_invocable.h"
#include "server/api/outcome.h"
#include "server/builtin/answer.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::api {

// An outcome before it is rendered.
using Answered =
    std::variant<builtin::Answer, subscriptions::OpenedSubscription, WithoutSubscriber>;

// Runs exactly once, on any thread.
using AnswerCallback = absl::AnyInvocable<void(Answered)>;

}  // namespace belfry::api
