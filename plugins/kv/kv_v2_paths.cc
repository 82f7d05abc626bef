// Which paths version 2 has, and what they take. What they do stands in kv_v2.cc.

#include <string>
#include <utility>

#include "plugins/kv/formats.h"
#include "plugins/kv/kv_v2.h"

namespace belfry::kv {
namespace {

constexpr char kRootWarning[] =
    "Non-listing operations on the root of a K/V v2 mount are not supported.";
constexpr char kPathWarning[] =
    "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API "
    "endpoints to use. If using the Vault CLI, use 'vault kv ";

Response WrongPath(std::string warning) {
  return Response::WithStatus(404, {}).AddWarning(std::move(warning));
}

// What `vault kv` calls the operation.
const char* CommandFor(Operation operation) {
  switch (operation) {
    case Operation::kRead:
      return "get";
    case Operation::kList:
      return "list";
    case Operation::kDelete:
      return "delete";
    case Operation::kPatch:
      return "patch";
    default:
      return "put";
  }
}

// Any operation on a path that has nothing to offer for it.
Result ExplainPath(Request& request) {
  for (const char* root : {"data", "metadata", "delete", "undelete", "destroy"}) {
    if (request.path() == root) return WrongPath(kRootWarning);
  }
  return WrongPath(std::string(kPathWarning) + CommandFor(request.operation()) +
                   "' for this operation.");
}

// `metadata/a/` is a folder, which can be listed only: whoever may do something with it may not do
// it with the key `a`.
bool IsFolder(const std::string& key) {
  return key.empty() || key.ends_with('/');
}

}  // namespace

void KvV2::DescribeConfig(Engine& engine) {
  Route& route = engine.Path("config", "What holds for all keys of this mount.");
  const MountFields fields(route);
  route.OnlyUpdates();
  route.OnRead([this](Request& request) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const MountConfig config, config_.Load(request.storage()));
    return Response::Data(
        {{"max_versions", config.max_versions},
         {"cas_required", config.cas_required},
         {"delete_version_after", FormatGoDuration(config.delete_version_after)}});
  });
  route.OnWrite([this, fields](Request& request) -> Result {
    if (!fields.AnyOf(request)) return Response::NoContent();
    BELFRY_RETURN_IF_ERROR(fields.CheckMaxVersions(request));
    BELFRY_RETURN_IF_ERROR(config_.Change(
        request.storage(), [&](MountConfig& config) { fields.ApplyTo(request, config); },
        {"kv-v2/config-write", {.path = "config", .data_path = "config", .modified = true}}));
    return Response::NoContent();
  });
}

void KvV2::DescribeData(Engine& engine) {
  Route& route = engine.PathRegex("data/(?P<path>.*[^/])",
                                  "The current version of a key, or the one that `version` names.");
  const auto key = route.Param("path");
  const auto version = route.Field<std::int64_t>("version", "Which version; 0 is the current one.");
  route.For(version, {Operation::kRead});
  route.Field<Json::Object>("data", "What to keep.");
  route.Field<Json::Object>(
      "options", "cas: the version that must be the current one; 0 if there must be none.");
  route.OnRead([this, key, version](Request& request) {
    return ReadData(request, request[key], request[version]);
  });
  route.OnWrite([this, key](Request& request) { return WriteData(request, request[key]); });
  route.OnPatch([this, key](Request& request) { return PatchData(request, request[key]); });
  route.OnDelete([this, key](Request& request) { return DeleteLatest(request, request[key]); });
  route.Upserts();
  route.ExistsIf([this, key](Request& request) { return Exists(request, request[key]); });
}

void KvV2::DescribeSubkeys(Engine& engine) {
  Route& route =
      engine.Path("subkeys/{path...}", "The names within a version, without the values.");
  const auto key = route.Param("path");
  const auto version = route.Field<std::int64_t>("version", "Which version; 0 is the current one.");
  const auto depth = route.Field<std::int64_t>("depth", "How deep; 0 is to the bottom.");
  route.OnRead([this, key, version, depth](Request& request) {
    return ReadSubkeys(request, request[key], request[version], request[depth]);
  });
}

void KvV2::DescribeVersions(Engine& engine) {
  using Handle = Result (KvV2::*)(Request&, const std::string&, const Versions&);
  const auto describe = [this, &engine](std::string_view pattern, std::string_view help,
                                        const char* none, Handle handle) {
    Route& route = engine.Path(pattern, help);
    const auto key = route.Param("path");
    const auto versions = route.Field<Versions>("versions", "Which versions.");
    route.OnlyUpdates();
    route.OnWrite([this, key, versions, none, handle](Request& request) -> Result {
      if (request[versions].empty()) return HttpError(400, none);
      return (this->*handle)(request, request[key], request[versions]);
    });
  };
  describe("delete/{path...}", "Deletes versions, so that they can be undeleted.",
           "No version number provided", &KvV2::DeleteVersions);
  describe("undelete/{path...}", "Brings deleted versions back.", "No version number provided",
           &KvV2::UndeleteVersions);
  describe("destroy/{path...}", "Removes the data of versions for good.",
           "no version number provided", &KvV2::DestroyVersions);
}

void KvV2::DescribeMetadata(Engine& engine) {
  Route& route =
      engine.Path("metadata/{path...}", "What is known of a key, and the keys there are.");
  const auto key = route.Param("path");
  const auto exclude_deleted = route.Field<bool>(
      "exclude_deleted", "Lists no keys whose current version is deleted, or is to be.");
  route.For(exclude_deleted, {Operation::kList});
  const KeyFields fields(route);
  route.OnRead([this, key](Request& request) -> Result {
    return IsFolder(request[key]) ? Response::NotFound() : ReadMetadata(request, request[key]);
  });
  route.OnList([this, key, exclude_deleted](Request& request) -> Result {
    std::string folder = request[key];
    if (!folder.empty() && !folder.ends_with('/')) folder += '/';
    BELFRY_ASSIGN_OR_RETURN(std::vector<std::string> keys, store_.List(request.storage(), folder));
    if (request[exclude_deleted]) LeaveOutDeleted(request, folder, keys);
    return Response::List(std::move(keys));
  });
  route.OnDelete([this, key](Request& request) -> Result {
    if (request[key].empty()) return absl::InvalidArgumentError("missing path");
    if (IsFolder(request[key]))
      return absl::InvalidArgumentError("cannot delete a path ending in '/'");
    return DeleteMetadata(request, request[key]);
  });
  route.OnWrite([this, key, fields](Request& request) {
    return WriteMetadata(request, request[key], fields);
  });
  route.OnPatch([this, key, fields](Request& request) {
    return PatchMetadata(request, request[key], fields);
  });
  route.ExistsIf([this, key](Request& request) { return Exists(request, request[key]); });
}

void KvV2::DescribeWrongPaths(Engine& engine) {
  Route& route = engine.Path("{path...}", "Everything else is answered with a hint.");
  route.OnRead(ExplainPath).OnWrite(ExplainPath).OnPatch(ExplainPath);
  route.OnDelete(ExplainPath).OnList(ExplainPath).OnlyUpdates();
}

}  // namespace belfry::kv
