#pragma once

#include <any>
#include <initializer_list>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "belfry/callback.h"
#include "belfry/events.h"
#include "belfry/lease.h"
#include "belfry/log.h"
#include "belfry/request.h"
#include "belfry/response.h"
#include "belfry/storage.h"

namespace belfry {

// One path of an engine: its fields and what it does for each operation. Made by
// Engine::Path, lives as long as the engine. Described by one thread, while `define` runs;
// calling it later is a mistake in the program and stops it.
//
// What is declared is enforced: a required field that is missing, or a value that does not convert
// or is not allowed, is answered with 400 before the handler runs; the answer repeats nothing of
// what was given, which may be a secret. A field of the body with the name of a path parameter
// gives way to it, with a warning; unknown fields are ignored, with a warning in an answer that has
// content. Handlers may block. They must not keep the Request. An operation without a handler is
// answered with 405.
//
// Every handler can read every field. A field *belongs* to the operations that For names; without
// For, to create, update and patch if the route has a handler for any of them, else to read, list
// and delete. OpenAPI and help show it with these only, and Require holds for these only.
//
// `help` of a path: its first line says in a few words what it is, the rest explains. It is shown
// by `path-help` and in OpenAPI, with all that is declared.
class Route {
 public:
  virtual ~Route() = default;

  // A part of the path; the name must occur in the pattern.
  FieldKey<std::string> Param(std::string_view name, std::string_view help = "");
  // A field of the body (or, for reads, lists and deletes, of the query).
  template <typename T>
  FieldKey<T> Field(std::string_view name, std::string_view help);

  template <typename T>
  Route& For(const FieldKey<T>& field, std::initializer_list<Operation> operations) {
    SetOperations(field.id_, operations);
    return *this;
  }
  // The operations that the field belongs to are refused without it; patches never are.
  template <typename T>
  Route& Require(const FieldKey<T>& field) {
    MarkRequired(field.id_);
    return *this;
  }
  template <typename T>
  Route& Default(const FieldKey<T>& field, std::type_identity_t<T> value) {
    SetDefault(field.id_, std::any(std::move(value)));
    return *this;
  }
  // What may be given: each element of a list is one of these, too. For strings, integers and lists
  // of them.
  template <typename T>
  Route& AllowedValues(const FieldKey<T>& field,
                       std::type_identity_t<std::vector<internal::ElementOf<T>>> values) {
    static_assert(internal::kMayBeEnumerated<T>,
                  "AllowedValues is for fields of strings, integers and lists of them");
    SetAllowed(field.id_, Json::Array(values.begin(), values.end()));
    return *this;
  }

  // Tools hide what people type into it, and what they get back.
  template <typename T>
  Route& Sensitive(const FieldKey<T>& field) {
    MarkSensitive(field.id_);
    return *this;
  }
  // Fields that are not declared are meant, too: data() has them, and nobody is warned.
  virtual Route& AcceptAnyField() = 0;

  virtual Route& OnRead(Handler handler) = 0;
  // Both create and update.
  virtual Route& OnWrite(Handler handler) = 0;
  virtual Route& OnCreate(Handler handler) = 0;
  virtual Route& OnUpdate(Handler handler) = 0;
  virtual Route& OnDelete(Handler handler) = 0;
  // The path comes with its trailing '/', or empty.
  virtual Route& OnList(Handler handler) = 0;
  // The body is a JSON merge patch (RFC 7396): its nulls are in data(), fields are as if they were
  // absent.
  virtual Route& OnPatch(Handler handler) = 0;
  // Tells create from update. Default: whether the storage has the request's path as a key.
  virtual Route& ExistsIf(ExistenceCheck check) = 0;
  // There is nothing to create: every write is an update.
  virtual Route& OnlyUpdates() = 0;
  // A write does the same whether it creates or updates, and its handler asks for no operation():
  // that may then say kUpdate for a create. Under Belfry this saves what ExistsIf costs.
  virtual Route& Upserts() = 0;

 private:
  virtual internal::FieldId AddParam(std::string_view name, std::string_view help) = 0;
  virtual internal::FieldId AddField(std::string_view name, std::string_view help,
                                     const std::type_info& type) = 0;
  virtual void MarkRequired(internal::FieldId field) = 0;
  virtual void SetDefault(internal::FieldId field, std::any value) = 0;
  virtual void MarkSensitive(internal::FieldId field) = 0;
  virtual void SetOperations(internal::FieldId field,
                             std::initializer_list<Operation> operations) = 0;
  virtual void SetAllowed(internal::FieldId field, Json::Array values) = 0;
};

// One kind of secret that an engine leases, for example the users of a database. Made by
// Engine::Secret, lives as long as the engine. Described like a Route.
class SecretKind {
 public:
  virtual ~SecretKind() = default;
  // Without it, secrets of this kind cannot be renewed.
  virtual SecretKind& OnRenew(RenewHandler handler) = 0;
  // When the lease ends or is revoked. Required.
  virtual SecretKind& OnRevoke(RevokeHandler handler) = 0;
  virtual std::string_view name() const = 0;
};

// Paths of a plugin that only some hosts tell apart. (plugin-protocol 5.1, `Paths`)
enum class SpecialPath { kLocalStorage, kWriteForwarded, kBinary, kLimited, kSnapshotRead };

// Failures. A status of a handler is the answer; what becomes a 500 is logged as well, with the
// path and the request's id. An exception that leaves a handler, a hook or `define` is caught: the
// log gets the path and its what(), the client gets 500 and is told to look there, and the plugin
// goes on. From a hook it is an InternalError, like a status that the hook returns. A `define` or
// an OnInitialize that fails keeps the mount from starting, and the operator sees why. A signal or
// abort ends the process and with it all its mounts; the host shows the last lines of standard
// error, and starts the plugin again.

// Describes a secrets engine: its paths and hooks. The SDK makes one for each mount and hands it to
// the plugin's `define`. Described by one thread, until `define` returns; what it holds lives until
// the mount goes, handlers being destroyed before anything given to Keep.
//
// What contradicts itself is refused when `define` returns, with a sentence for each mistake: by
// Serve before it serves, by test hosts, and where a mount's options make a difference by the
// mount. For example: a path described twice, or one that an earlier path hides; two handlers for
// one operation, or none at all; a required field with a default.
class Engine {
 public:
  virtual ~Engine() = default;

  // Patterns: literal text, {name} for one segment (letters, digits, '_', '-' and '.', ending in a
  // letter, digit or '_'), and at the end {name...} for the rest, slashes included. Of two routes
  // that match, the first wins.
  Route& Path(std::string_view pattern, std::string_view help,
              std::source_location where = std::source_location::current()) {
    return AddPath(pattern, help, where);
  }
  // What the engine is for, at the top of its help.
  virtual Engine& Describe(std::string_view help) = 0;
  // An RE2 regular expression with named groups, anchored at both ends.
  Route& PathRegex(std::string_view re2, std::string_view help,
                   std::source_location where = std::source_location::current()) {
    return AddPathRegex(re2, help, where);
  }

  // The name is kept with every lease, so that it must not change between versions of a plugin.
  virtual SecretKind& Secret(std::string_view name) = 0;
  // For engines served as EngineKind::kAuth; without it their tokens cannot be renewed.
  virtual Engine& OnRenewLogin(GrantRenewHandler handler) = 0;

  // Something that lives as long as the engine, built as T(*this, arguments…); it may describe
  // paths and capture itself in them.
  template <typename T, typename... A>
  T& Keep(A&&... arguments) {
    auto owned = std::make_shared<T>(*this, std::forward<A>(arguments)...);
    T& kept = *owned;
    KeepAlive(std::move(owned));
    return kept;
  }

  // After mounting and after each start of the plugin, when storage can be written.
  virtual Engine& OnInitialize(Hook hook) = 0;
  // Once, on a thread of its own beside the requests, from when the engine is initialized; several
  // go one after the other. A failure is logged, and what failed is done again from its beginning
  // after a second, later after up to a minute, and whenever the plugin is started. It should
  // return soon after `stop` is requested: the mount's end waits for it.
  virtual Engine& InBackground(Hook hook) = 0;
  // Before every handler of a path, fields being checked: an error is the answer instead.
  virtual Engine& BeforeEach(RequestHook hook) = 0;
  // When the mount goes, or the plugin stops in order. Where another instance has taken the mount
  // over, storage is read-only by then.
  virtual Engine& OnCleanup(Hook hook) = 0;
  // When another node has changed a key below this engine's storage: what is cached of it is old.
  virtual Engine& OnInvalidate(KeyHook hook) = 0;
  // Again and again, at least `period` (not zero) apart, and never two at once. Hosts ask about
  // once a minute for what is due, so that a hook runs up to a minute late; the first time is
  // within a minute of mounting. When a hook with a period of more than a minute has run is kept in
  // the mount's storage, by its period and its place among those with the same: a start of the
  // plugin neither repeats nor loses it. A failure is the host's to log; what failed is due again
  // at once, which is the host's next minute.
  virtual Engine& Every(absl::Duration period, Hook hook) = 0;

  // Storage prefixes that the host should wrap with its seal.
  virtual Engine& SealWrapped(std::vector<std::string> prefixes) = 0;
  // Paths that need no token, and paths that need the sudo capability; a trailing '*' matches the
  // rest. One that the engine has not is refused: misspelt, it would protect nothing.
  virtual Engine& Unauthenticated(std::vector<std::string> paths) = 0;
  virtual Engine& RootOnly(std::vector<std::string> paths) = 0;
  virtual Engine& Mark(SpecialPath kind, std::vector<std::string> paths) = 0;

  // What the host's administrator gave this mount ("version" → "2"), "" when absent; and the id
  // under which the host knows the mount.
  virtual std::string_view MountOption(std::string_view name) const = 0;
  virtual std::string_view backend_uuid() const = 0;
  // For events that no request caused. Lives as long as the engine.
  virtual EventSender& events() = 0;
  virtual const Log& log() const = 0;
  // A round trip to the host; not while `define` runs. Unavailable when the host is gone.
  virtual absl::StatusOr<LeaseTtls> Ttls() const = 0;

 private:
  virtual Route& AddPath(std::string_view pattern, std::string_view help,
                         std::source_location where) = 0;
  virtual Route& AddPathRegex(std::string_view re2, std::string_view help,
                              std::source_location where) = 0;
  virtual void KeepAlive(
      std::shared_ptr<void> object) = 0;  // Shared: the type is forgotten, the deleter not.
};

// The name until 0.1; goes with the next version.
using SecretsEngine = Engine;

template <typename T>
FieldKey<T> Route::Field(std::string_view name, std::string_view help) {
  return FieldKey<T>(AddField(name, help, typeid(T)));
}

}  // namespace belfry
