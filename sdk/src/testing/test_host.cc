#include <utility>

#include "sdk/src/testing/asked.h"

namespace belfry::testing {
namespace {

Asked Ask(std::string operation, std::string_view path, Json::Object data) {
  return {.operation = std::move(operation), .path = std::string(path), .data = std::move(data)};
}

}  // namespace

Result TestHost::Read(std::string_view path, Json::Object query) {
  return Answer(Ask("read", path, std::move(query)));
}

Result TestHost::Write(std::string_view path, Json::Object fields) {
  Asked asked = Ask("update", path, std::move(fields));
  const absl::StatusOr<std::optional<bool>> exists = Exists(asked);
  if (!exists.ok()) return exists.status();
  if (*exists == false) asked.operation = "create";
  return Answer(asked);
}

Result TestHost::Patch(std::string_view path, Json::Object fields) {
  return Answer(Ask("patch", path, std::move(fields)));
}

Result TestHost::Delete(std::string_view path, Json::Object query) {
  return Answer(Ask("delete", path, std::move(query)));
}

Result TestHost::List(std::string_view path, Json::Object query) {
  // As a host sends it.
  const bool is_folder = path.empty() || path.ends_with('/');
  return Answer(Ask("list", std::string(path) + (is_folder ? "" : "/"), std::move(query)));
}

Result TestHost::Help(std::string_view path) {
  return Answer(Ask("help", path, {}));
}

Result TestHost::Renew(std::string_view path, const Response& leased, Renewal renewal) {
  Asked asked = Ask("renew", path, leased.data());
  asked.leased = &leased;
  asked.renewal = renewal;
  return Answer(asked);
}

absl::Status TestHost::Revoke(std::string_view path, const Response& leased) {
  Asked asked = Ask("revoke", path, leased.data());
  asked.leased = &leased;
  return Answer(asked).status();
}

absl::Status TestHost::Tick() {
  return Answer(Ask("rollback", "", {})).status();
}

}  // namespace belfry::testing
