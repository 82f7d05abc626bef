#pragma once

#include <any>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "belfry/events.h"
#include "belfry/json.h"
#include "belfry/lease.h"
#include "belfry/log.h"
#include "belfry/storage.h"

namespace belfry {

enum class Operation { kCreate, kRead, kUpdate, kPatch, kDelete, kList, kRenew, kRevoke };

// Who sent a request, as far as the host tells.
struct Caller {
  std::string display_name;
  std::string entity_id;
  std::string token_accessor;
  std::string remote_address;
  // Nobody has looked at a token: the path is one of Engine::Unauthenticated.
  bool unauthenticated = false;
};

class Route;

namespace internal {
// Which field of which route a FieldKey means.
struct FieldId {
  const Route* route = nullptr;
  std::size_t index = 0;
};

template <typename T, typename... Types>
inline constexpr bool kIsOneOf = (std::is_same_v<T, Types> || ...);
template <typename T>
inline constexpr bool kIsFieldType =
    kIsOneOf<T, std::string, std::int64_t, double, bool, absl::Duration, absl::Time,
             std::vector<std::string>, std::vector<std::int64_t>,
             std::map<std::string, std::string>, Json::Object, Json>;
template <typename T>
inline constexpr bool kMayBeEnumerated =
    kIsOneOf<T, std::string, std::int64_t, std::vector<std::string>, std::vector<std::int64_t>>;

// The elements of lists, and other types themselves.
template <typename T>
struct Element {
  using Type = T;
};
template <typename T>
struct Element<std::vector<T>> {
  using Type = T;
};
template <typename T>
using ElementOf = typename Element<T>::Type;
}  // namespace internal

// Names a field of one route, with its type. Only a Route makes one; copying is free.
// T is std::string, int64_t, double, bool, absl::Duration ("24h" or seconds), absl::Time,
// std::vector<std::string>, std::vector<int64_t>, std::map<std::string, std::string>, Json::Object
// or Json.
template <typename T>
class FieldKey {
  static_assert(internal::kIsFieldType<T>,
                "a field is a std::string, std::int64_t, double, bool, absl::Duration, absl::Time, "
                "std::vector<std::string>, std::vector<std::int64_t>, std::map<std::string, "
                "std::string>, belfry::Json::Object or belfry::Json");

 private:
  friend class Route;
  friend class Request;
  explicit FieldKey(internal::FieldId id) : id_(id) {}
  internal::FieldId id_;
};

namespace internal {
absl::StatusOr<std::any> Convert(const Json& value, const std::type_info& type);
}  // namespace internal

// What stands inside a field, converted as fields are; T is one of FieldKey's. null is T{}.
// InvalidArgument when it does not convert.
template <typename T>
absl::StatusOr<T> ConvertTo(const Json& value) {
  static_assert(internal::kIsFieldType<T>,
                "ConvertTo gives what a field can be: see belfry::FieldKey for its types");
  absl::StatusOr<std::any> converted = internal::Convert(value, typeid(T));
  if (!converted.ok()) return converted.status();
  return std::any_cast<T>(*std::move(converted));
}

// One request, as a handler sees it. Lives during the handler; used by one thread at a time.
class Request {
 public:
  virtual ~Request() = default;

  // Without the mount. Valid during the handler, like everything this class hands out.
  virtual std::string_view path() const = 0;
  virtual Operation operation() const = 0;
  // The host's name for it, as its audit log has it; empty for what no client asked.
  virtual std::string_view id() const = 0;
  // The field as given, or its default, or T{}; already validated. A key of another route is a
  // mistake in the program and stops it with both routes' names.
  template <typename T>
  const T& operator[](const FieldKey<T>& key) const {
    return *std::any_cast<T>(&Value(key.id_));
  }
  // Whether the request gave the field.
  template <typename T>
  bool Has(const FieldKey<T>& key) const {
    return Given(key.id_);
  }
  // All that was sent, declared or not.
  virtual const Json::Object& data() const = 0;

  virtual Storage& storage() = 0;
  virtual EventSender& events() = 0;
  virtual const Log& log() const = 0;
  virtual const Caller& caller() const = 0;
  // What the host's administrator gave this mount, for example version → "2".
  virtual std::string_view MountOption(std::string_view name) const = 0;
  // HTTP headers that the mount's administrator lets through, by their names.
  virtual const std::map<std::string, std::vector<std::string>>& headers() const = 0;
  // How long the client wants the answer wrapped; the host does that. Zero: not at all.
  virtual absl::Duration wrap_ttl() const = 0;
  virtual absl::Time Now() const = 0;
  // As Engine::Ttls.
  virtual absl::StatusOr<LeaseTtls> Ttls() const = 0;
  // When the host stops waiting. Storage calls of this request end then, too, and when it is
  // cancelled.
  virtual absl::Time deadline() const = 0;
  // Whether the client has gone away, or the deadline has passed; safe to ask from a loop.
  virtual bool cancelled() const = 0;

 private:
  virtual const std::any& Value(internal::FieldId field) const = 0;
  virtual bool Given(internal::FieldId field) const = 0;
};

}  // namespace belfry
