#include "server/access/token_record.h"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <boost/json/value_to.hpp>
#include <exception>

namespace belfry::access {
namespace {

namespace json = boost::json;

// The end of time has no number of its own.
constexpr std::int64_t kNever = INT64_MAX;

std::int64_t ToNumber(absl::Time time) {
  return time == absl::InfiniteFuture() ? kNever : absl::ToUnixNanos(time);
}

absl::Time ToTime(std::int64_t number) {
  return number == kNever ? absl::InfiniteFuture() : absl::FromUnixNanos(number);
}

TokenEntry FromObject(const json::object& object) {
  const auto text = [&](const char* name) { return json::value_to<std::string>(object.at(name)); };
  const auto number = [&](const char* name) { return object.at(name).to_number<std::int64_t>(); };
  TokenEntry entry{.id = text("id"), .accessor = text("accessor"), .parent = text("parent")};
  entry.policies = json::value_to<std::vector<std::string>>(object.at("policies"));
  entry.metadata = json::value_to<std::map<std::string, std::string>>(object.at("metadata"));
  entry.display_name = text("display_name");
  entry.path = text("path");
  entry.role = text("role");
  entry.num_uses = number("num_uses");
  entry.created = ToTime(number("created"));
  entry.creation_ttl = absl::Nanoseconds(number("creation_ttl"));
  entry.explicit_max_ttl = absl::Nanoseconds(number("explicit_max_ttl"));
  entry.max_ttl = absl::Nanoseconds(number("max_ttl"));
  entry.period = absl::Nanoseconds(number("period"));
  entry.expires = ToTime(number("expires"));
  entry.renewable = object.at("renewable").as_bool();
  if (object.contains("last_renewal")) entry.last_renewal = ToTime(number("last_renewal"));
  return entry;
}

}  // namespace

std::string TokenToBytes(const TokenEntry& entry) {
  json::object object{{"id", entry.id},
                      {"accessor", entry.accessor},
                      {"parent", entry.parent},
                      {"policies", json::value_from(entry.policies)},
                      {"metadata", json::value_from(entry.metadata)},
                      {"display_name", entry.display_name},
                      {"path", entry.path},
                      {"role", entry.role},
                      {"num_uses", entry.num_uses},
                      {"created", ToNumber(entry.created)},
                      {"creation_ttl", absl::ToInt64Nanoseconds(entry.creation_ttl)},
                      {"explicit_max_ttl", absl::ToInt64Nanoseconds(entry.explicit_max_ttl)},
                      {"max_ttl", absl::ToInt64Nanoseconds(entry.max_ttl)},
                      {"period", absl::ToInt64Nanoseconds(entry.period)},
                      {"expires", ToNumber(entry.expires)},
                      {"renewable", entry.renewable}};
  if (entry.last_renewal) object["last_renewal"] = ToNumber(*entry.last_renewal);
  return json::serialize(object);
}

absl::StatusOr<TokenEntry> TokenFromBytes(std::string_view bytes) {
  // The library says what is wrong by exceptions; none leaves this function.
  try {
    return FromObject(json::parse(json::string_view(bytes.data(), bytes.size())).as_object());
  } catch (const std::exception&) {
    return absl::DataLossError("a stored token cannot be read");
  }
}

}  // namespace belfry::access
