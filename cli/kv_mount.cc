#include "cli/kv_mount.h"

#include <boost/json/object.hpp>

#include "cli/path.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

std::string TextMember(const boost::json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value == nullptr || !value->is_string() ? "" : std::string(value->get_string());
}

bool IsVersioned(const boost::json::object& mount) {
  const auto* options = mount.if_contains("options");
  return options != nullptr && options->is_object() &&
         TextMember(options->get_object(), "version") == "2";
}

// Mount and key as one clean path. A ".." of the key does not lead into another mount.
absl::StatusOr<std::string> FullPath(std::string_view mount, std::string_view path) {
  if (mount.empty()) return CleanPath(path, "PATH");
  absl::StatusOr<std::string> clean_mount = CleanPath(mount, "-mount");
  if (!clean_mount.ok()) return clean_mount.status();
  absl::StatusOr<std::string> key = CleanPath(path);
  if (!key.ok()) return key.status();
  return Concat(*clean_mount, key->empty() ? "" : "/", *key);
}

}  // namespace

std::string KvLocation::Path(std::string_view area) const {
  if (!versioned) return mount + key;
  return key.empty() ? Concat(mount, area) : Concat(mount, area, "/", key);
}

absl::StatusOr<KvLocation> Locate(Client& client, std::string_view mount, std::string_view path) {
  absl::StatusOr<std::string> full = FullPath(mount, path);
  if (!full.ok()) return full.status();
  absl::StatusOr<Answer> answer = client.Send("GET", Concat("sys/internal/ui/mounts/", *full));
  if (!answer.ok()) return answer.status();
  // A server that does not know the question has unversioned mounts only.
  if (answer->status == 404) return KvLocation{.key = *std::move(full)};
  // A server that does not tell what is mounted has the same answer for both; not so for a token
  // that it does not know.
  const bool unknown_token = answer->ErrorText().find("invalid token") != std::string::npos;
  if (answer->status == 403 && !unknown_token && answer->advice.empty()) {
    answer->advice = "\nor nothing is mounted there: belfry secrets list";
  }
  if (!answer->ok()) return absl::FailedPreconditionError(answer->ErrorText());
  const auto* data = answer->data();
  if (data == nullptr)
    return absl::FailedPreconditionError(Concat(answer->request, " was answered without data"));

  KvLocation location{.mount = TextMember(*data, "path"), .versioned = IsVersioned(*data)};
  std::string_view rest = *full;
  if (!ConsumePrefix(&rest, location.mount)) rest = "";  // "secret" alone, in the mount "secret/".
  location.key = std::string(rest);
  return location;
}

}  // namespace belfry::cli
