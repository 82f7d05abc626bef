#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "belfry/events.h"
#include "belfry/lease.h"
#include "belfry/log.h"
#include "belfry/request.h"
#include "belfry/response.h"
#include "belfry/storage.h"

namespace belfry {

// A function that a plugin hands to the SDK, for example a lambda; owned, moved and never copied.
// It is called const and by several threads at once, so that what does not allow it does not
// compile. Null is empty; where a function is expected, Serve refuses it.
template <typename Signature>
class Callback;

template <typename R, typename... A>
class Callback<R(A...)> {
 public:
  Callback() = default;
  Callback(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): as std::function.
  template <typename F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Callback>)
  Callback(F&& function) {  // NOLINT(google-explicit-constructor): as std::function.
    using Function = const std::decay_t<F>&;
    constexpr bool kFits = std::is_invocable_r_v<R, Function, A...>;
    static_assert(kFits || std::is_invocable_v<Function, A...> ||
                      !std::is_invocable_v<std::decay_t<F>&, A...>,
                  "a callback is called by several threads at once, so it must be const: remove "
                  "`mutable`, and keep what changes in an object given to Keep, behind a mutex");
    static_assert(kFits || !(std::is_invocable_v<Function, A...> ||
                             !std::is_invocable_v<std::decay_t<F>&, A...>),
                  "a callback must take the arguments and return the type that its declaration "
                  "in belfry/callback.h says");
    if constexpr (kFits) function_ = std::forward<F>(function);
  }

  explicit operator bool() const { return static_cast<bool>(function_); }
  R operator()(A... arguments) const { return function_(std::forward<A>(arguments)...); }

 private:
  absl::AnyInvocable<R(A...) const> function_;
};

// Handlers run on several threads at once, so a lambda marked `mutable` does not compile.
using Handler = Callback<Result(Request&)>;
using ExistenceCheck = Callback<absl::StatusOr<bool>(Request&)>;

// What a hook works with; valid during the hook.
struct HookContext {
  Storage& storage;
  EventSender& events;
  const Log& log;
  std::function<absl::Time()> clock;
  // Requested when the mount goes while a hook of InBackground runs.
  std::stop_token stop = {};
  // The host's time, which tests move; as Request::Now.
  absl::Time Now() const { return clock(); }
};
using Hook = Callback<absl::Status(HookContext&)>;
using RequestHook = Callback<absl::Status(Request&)>;
using KeyHook = Callback<void(HookContext&, std::string_view key)>;

// A renewal answers with the terms that hold from now on; `internal` of what it is given is kept by
// returning it. Requests of these handlers have no fields; data() is what was answered when the
// secret was leased.
using RenewHandler = Callback<absl::StatusOr<Lease>(Request&, const LeasedSecret&)>;
// Must succeed if the secret is gone already: hosts try again after any error.
using RevokeHandler = Callback<absl::Status(Request&, const LeasedSecret&)>;
using GrantRenewHandler = Callback<absl::StatusOr<Grant>(Request&, const GivenGrant&)>;

}  // namespace belfry
