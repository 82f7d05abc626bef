#include "server/mounts/lease_record.h"

#include <boost/json.hpp>
#include <exception>

#include "base/text.h"

namespace belfry::mounts {
namespace {

namespace json = boost::json;

absl::Time TimeOf(const json::value& nanoseconds) {
  return absl::FromUnixNanos(nanoseconds.as_int64());
}

absl::Duration DurationOf(const json::value& nanoseconds) {
  return absl::Nanoseconds(nanoseconds.as_int64());
}

std::string TextOf(const json::value& value) {
  return json::value_to<std::string>(value);
}

LeaseRecord FromObject(const json::object& object) {
  LeaseRecord record;
  record.mount = TextOf(object.at("mount"));
  record.path = TextOf(object.at("path"));
  record.data = TextOf(object.at("data"));
  record.token_accessor = TextOf(object.at("token_accessor"));
  record.lease.ttl = DurationOf(object.at("ttl"));
  record.lease.max_ttl = DurationOf(object.at("max_ttl"));
  record.lease.renewable = object.at("renewable").as_bool();
  record.lease.internal_data = TextOf(object.at("internal_data"));
  record.lease.id = TextOf(object.at("id"));
  record.lease.issued = TimeOf(object.at("issued"));
  record.expires = TimeOf(object.at("expires"));
  if (const json::value* time = object.if_contains("last_renewal"))
    record.last_renewal = TimeOf(*time);
  return record;
}

}  // namespace

std::string StoredText(const LeaseRecord& record) {
  json::object object{{"id", record.lease.id},
                      {"mount", record.mount},
                      {"path", record.path},
                      {"data", record.data},
                      {"token_accessor", record.token_accessor},
                      {"ttl", absl::ToInt64Nanoseconds(record.lease.ttl)},
                      {"max_ttl", absl::ToInt64Nanoseconds(record.lease.max_ttl)},
                      {"renewable", record.lease.renewable},
                      {"internal_data", record.lease.internal_data},
                      {"issued", absl::ToUnixNanos(record.lease.issued)},
                      {"expires", absl::ToUnixNanos(record.expires)}};
  if (record.last_renewal) object["last_renewal"] = absl::ToUnixNanos(*record.last_renewal);
  return json::serialize(object);
}

absl::StatusOr<LeaseRecord> FromStoredText(std::string_view text) {
  try {
    return FromObject(json::parse(text).as_object());
  } catch (const std::exception& error) {
    return absl::DataLossError(Concat({"a stored lease cannot be read: ", error.what()}));
  }
}

}  // namespace belfry::mounts
