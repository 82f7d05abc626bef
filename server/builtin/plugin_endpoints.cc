#include "server/builtin/endpoint.h"

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/text.h"
#include "server/builtin/json_text.h"
#include "server/mounts/reload_failures.h"

namespace belfry::builtin {
namespace {

using mounts::Operation;
using mounts::PluginEntry;
using mounts::PluginType;

constexpr std::string_view kCatalog = "sys/plugins/catalog";
constexpr std::string_view kReload = "sys/plugins/reload/";

Answer Data(const Call& call, std::string data, std::vector<std::string> warnings = {}) {
  return EnvelopeAnswer({.request_id = call.id,
                         .data = std::move(data),
                         .warnings = std::move(warnings),
                         .mount_type = "system"});
}

// What the operator can fix is 400; 503 when too many are being started or the host itself has
// interrupted it; the rest is 500.
Answer Failure(const absl::Status& status) {
  if (absl::IsResourceExhausted(status) || absl::IsAborted(status))
    return BusyAnswer(ToStd(status.message()));
  if (absl::IsFailedPrecondition(status) || absl::IsInternal(status))
    return ErrorAnswer(500, OneError(ToStd(status.message())));
  return ErrorAnswer(400, ToStd(status.message()));
}

// "secret", or the number that Vault's Go client sends in the body.
std::optional<PluginType> TypeOf(std::string_view word) {
  if (word == "1") return PluginType::kAuth;
  if (word == "2") return PluginType::kDatabase;
  if (word == "3") return PluginType::kSecret;
  return mounts::PluginTypeNamed(word);
}

std::string DetailOf(const PluginEntry& entry) {
  return ObjectText()
      .Bool("builtin", false)
      .Text("name", entry.name)
      .Text("sha256", entry.sha256)
      .Text("type", mounts::PluginTypeName(entry.type))
      .Text("version", entry.version)
      .Finish();
}

// JSON texts as an array.
std::string ArrayOf(const std::vector<std::string>& texts) {
  std::string array = "[";
  for (const std::string& text : texts) {
    if (array.size() > 1) array += ',';
    array += text;
  }
  return array + "]";
}

// The names of one type, each once, as the catalog is in their order.
std::vector<std::string> NamesOf(const std::vector<PluginEntry>& entries, PluginType type) {
  std::vector<std::string> names;
  for (const PluginEntry& entry : entries) {
    if (entry.type == type && (names.empty() || names.back() != entry.name))
      names.push_back(entry.name);
  }
  return names;
}

Answer ReadCatalog(const Dependencies& dependencies, const Call& call) {
  const std::vector<PluginEntry> entries = dependencies.catalog->List();
  std::vector<std::string> details;
  for (const PluginEntry& entry : entries) details.push_back(DetailOf(entry));
  return Data(call, ObjectText()
                        .Raw("auth", ArrayText(NamesOf(entries, PluginType::kAuth)))
                        .Raw("database", ArrayText(NamesOf(entries, PluginType::kDatabase)))
                        .Raw("detailed", ArrayOf(details))
                        .Raw("secret", ArrayText(NamesOf(entries, PluginType::kSecret)))
                        .Finish());
}

Answer ListCatalog(const Dependencies& dependencies, const Call& call, PluginType type) {
  const std::vector<std::string> names = NamesOf(dependencies.catalog->List(), type);
  if (names.empty()) return EmptyErrorAnswer(404);
  return Data(call, ObjectText().Raw("keys", ArrayText(names)).Finish());
}

// What each mount of a plugin would be started as, by its path.
using Started = std::map<std::string, PluginEntry>;
Started AsStartedNow(const Dependencies& dependencies, std::string_view plugin) {
  Started all;
  for (const std::shared_ptr<const mounts::Mount>& mount : dependencies.router->List()) {
    const mounts::MountEntry& entry = mount->entry;
    if (mount->engine == nullptr || entry.type != plugin) continue;
    absl::StatusOr<PluginEntry> plugin_entry =
        dependencies.catalog->Resolve(plugin, entry.plugin_version);
    if (plugin_entry.ok()) all.emplace(entry.path, *std::move(plugin_entry));
  }
  return all;
}

// Whether the mount's process is what has been registered; `before` is what held until then.
bool Runs(const mounts::Mount& mount, const PluginEntry& registered, const Started& before) {
  if (mount.engine->RunningSha256() != registered.sha256) return false;
  const auto known = before.find(mount.entry.path);
  return known == before.end() ||
         (known->second.args == registered.args && known->second.env == registered.env);
}

// For each mount of the plugin that does not run what has been registered, what to do about it.
std::vector<std::string> MountsElsewhere(const Dependencies& dependencies,
                                         const PluginEntry& registered, const Started& before) {
  std::vector<std::string> warnings;
  const Started now = AsStartedNow(dependencies, registered.name);
  const bool unversioned =
      dependencies.catalog->Get(registered.type, registered.name, "").has_value();
  for (const std::shared_ptr<const mounts::Mount>& mount : dependencies.router->List()) {
    const mounts::MountEntry& entry = mount->entry;
    if (mount->engine == nullptr || entry.type != registered.name) continue;
    const auto next = now.find(entry.path);
    if (next != now.end() && next->second == registered) {
      if (Runs(*mount, registered, before)) continue;
      warnings.push_back(Concat({"the mount ", entry.path,
                                 " goes on with the program that it runs; reload it to run the new "
                                 "program: PUT sys/plugins/reload/backend {\"mounts\":\"",
                                 entry.path, "\"}"}));
      continue;
    }
    // Without a version of its own it runs the entry without one, else the newest.
    const bool follows = entry.plugin_version.empty() && !unversioned;
    if (follows || entry.plugin_version == registered.version) continue;
    const std::string pinned = entry.plugin_version.empty()
                                   ? "the entry without a version"
                                   : Concat({"version ", entry.plugin_version});
    warnings.push_back(Concat({"the mount ", entry.path, " runs ", pinned, " of this plugin, not ",
                               registered.version, "; write plugin_version=", registered.version,
                               " to sys/mounts/", entry.path, "tune to change that"}));
  }
  return warnings;
}

// The entry as the catalog has it: a version may have come from the program.
PluginEntry AsRegistered(const Dependencies& dependencies, const PluginEntry& entry) {
  for (const PluginEntry& candidate : dependencies.catalog->List()) {
    PluginEntry same = candidate;
    same.version = entry.version;
    if (same == entry && (entry.version.empty() || candidate.version == entry.version))
      return candidate;
  }
  return entry;
}

Answer Register(const Dependencies& dependencies, const Call& call, PluginType type,
                std::string_view name) {
  const Fields& fields = call.fields;
  const std::string_view unsupported = !fields.Text("oci_image").empty() ? "oci_image"
                                       : !fields.Text("runtime").empty() ? "runtime"
                                       : fields.Bool("download")         ? "download"
                                                                         : "";
  if (!unsupported.empty()) {
    return ErrorAnswer(400, Concat({unsupported,
                                    " is not supported; put the program into the "
                                    "plugin directory and name it as command"}));
  }
  PluginEntry entry;
  entry.type = type;
  entry.name = name;
  entry.version = fields.Text("version");
  entry.command = fields.Text("command");
  entry.args = fields.List("args");
  entry.env = fields.List("env");
  entry.sha256 = Lower(fields.Text(fields.Has("sha256") ? "sha256" : "sha_256"));
  if (entry.sha256.empty()) {
    // Vault's words, but where they would not be true.
    return ErrorAnswer(
        400, Concat({entry.version.empty() ? "must provide at least one of sha256 or version: "
                                           : "a version alone says nothing of the program: ",
                     "give the sha256 of the program, as sha256sum prints it"}));
  }
  // An old way to give arguments: "command arg arg".
  if (entry.args.empty() && entry.command.find(' ') != std::string::npos) {
    const std::vector<std::string_view> words = Split(entry.command, ' ');
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (!words[i].empty()) entry.args.emplace_back(words[i]);
    }
    entry.command = std::string(words[0]);
  }
  const Started before = AsStartedNow(dependencies, name);
  const absl::Status registered = dependencies.catalog->Register(entry);
  if (!registered.ok()) return Failure(registered);
  return Done(call, fields,
              MountsElsewhere(dependencies, AsRegistered(dependencies, entry), before));
}

// Of a name that was given without its version: which versions it has, each with what to do.
std::vector<std::string> OtherVersions(const Dependencies& dependencies, PluginType type,
                                       std::string_view name, std::string_view done,
                                       std::string_view to_do) {
  std::vector<std::string> texts;
  for (const PluginEntry& entry : dependencies.catalog->List()) {
    if (entry.type != type || entry.name != name) continue;
    texts.push_back(Concat({done, ": the plugin ", name, " has version \"", entry.version,
                            "\"; name a version to ", to_do, " it"}));
  }
  return texts;
}

Answer NoSuchVersion(const Dependencies& dependencies, PluginType type, std::string_view name) {
  const std::vector<std::string> others =
      OtherVersions(dependencies, type, name, "nothing was found", "read");
  return others.empty() ? EmptyErrorAnswer(404) : ErrorAnswer(404, others.front());
}

// The mounts whose plugin is not in the catalog any more.
std::vector<std::string> MountsLeft(const Dependencies& dependencies, PluginType type,
                                    std::string_view name) {
  std::vector<std::string> warnings;
  for (const std::shared_ptr<const mounts::Mount>& mount : dependencies.router->List()) {
    const mounts::MountEntry& entry = mount->entry;
    if (mount->engine == nullptr || entry.type != name) continue;
    if (dependencies.catalog->Get(type, name, entry.plugin_version)) continue;
    warnings.push_back(Concat({"the mount ", entry.path,
                               " goes on with this plugin, but cannot be reloaded: "
                               "disable it, or register the plugin again"}));
  }
  return warnings;
}

Answer Deregister(const Dependencies& dependencies, const Call& call, PluginType type,
                  std::string_view name) {
  const std::string version = call.fields.Text("version");
  if (!dependencies.catalog->Get(type, name, version))
    return Done(call, call.fields,
                OtherVersions(dependencies, type, name, "nothing was removed", "remove"));
  if (absl::Status removed = dependencies.catalog->Remove(type, name, version); !removed.ok())
    return Failure(removed);
  return Done(call, call.fields, MountsLeft(dependencies, type, name));
}

Answer AnswerEntry(const Dependencies& dependencies, const Call& call, PluginType type,
                   std::string_view name) {
  switch (call.operation) {
    case Operation::kRead: {
      const std::optional<PluginEntry> entry =
          dependencies.catalog->Get(type, name, call.fields.Text("version"));
      if (!entry) return NoSuchVersion(dependencies, type, name);
      return Data(call, ObjectText()
                            .Raw("args", entry->args.empty() ? "null" : ArrayText(entry->args))
                            .Bool("builtin", false)
                            .Text("command", entry->command)
                            .Text("name", entry->name)
                            .Text("sha256", entry->sha256)
                            .Text("version", entry->version)
                            .Finish());
    }
    case Operation::kUpdate:
      return Register(dependencies, call, type, name);
    case Operation::kDelete:
      return Deregister(dependencies, call, type, name);
    default:
      return UnsupportedOperation();
  }
}

// The path of an entry that is named in the old way, catalog/<name> with its type in the body, as
// the new one has it; the call's own path for all others. nullopt: the type is missing or unknown.
std::optional<std::string> CatalogPath(const Call& call) {
  const std::string_view name =
      WithoutSuffix(WithoutPrefix(WithoutPrefix(call.path, kCatalog), "/"), "/");
  const bool old = call.path.starts_with(Concat({kCatalog, "/"})) && !name.empty() &&
                   name.find('/') == std::string_view::npos && !mounts::PluginTypeNamed(name);
  const bool has_fields = call.operation == Operation::kRead ||
                          call.operation == Operation::kUpdate ||
                          call.operation == Operation::kDelete;
  if (!old || !has_fields) return call.path;
  const std::optional<PluginType> type = TypeOf(call.fields.Text("type"));
  if (!type) return std::nullopt;
  return Concat({kCatalog, "/", mounts::PluginTypeName(*type), "/", name});
}

// catalog[/<type>[/<name>]]
Answer AnswerCatalog(const Dependencies& dependencies, const Call& call) {
  const std::string_view rest =
      WithoutSuffix(WithoutPrefix(WithoutPrefix(call.path, kCatalog), "/"), "/");
  if (rest.empty()) {
    if (call.operation != Operation::kRead) return UnsupportedOperation();
    return ReadCatalog(dependencies, call);
  }
  const std::size_t slash = rest.find('/');
  const std::string_view word = rest.substr(0, slash);
  const std::optional<PluginType> type = mounts::PluginTypeNamed(word);
  if (slash == std::string_view::npos && type) {
    const bool lists = call.operation == Operation::kList || call.operation == Operation::kRead;
    return lists ? ListCatalog(dependencies, call, *type) : UnsupportedOperation();
  }
  if (!type) {
    return ErrorAnswer(400, Concat({"\"", word,
                                    "\" is not a supported plugin type: auth, "
                                    "database or secret"}));
  }
  return AnswerEntry(dependencies, call, *type, rest.substr(slash + 1));
}

Answer Reloaded(const Call& call, int mounts) {
  std::vector<std::string> warnings;
  if (mounts == 0) warnings.emplace_back("no plugins were reloaded");
  return Data(call, ObjectText().Text("reload_id", call.id).Finish(), std::move(warnings));
}

// Whether a policy denies reload/secret/<plugin>, by which name the plugin may be called, too.
bool DeniesReload(const Dependencies& dependencies, const Call& call, std::string_view plugin) {
  const std::string path = Concat({kReload, "secret/", plugin});
  return dependencies.authorizer->RulesOf(call.identity)
             ->Decide({.capability = access::Capability::kUpdate, .path = path})
             .verdict == access::Verdict::kDeny;
}

Answer ReloadPlugin(const Dependencies& dependencies, const Call& call, std::string_view plugin) {
  if (DeniesReload(dependencies, call, plugin)) return Denied();
  const absl::StatusOr<int> mounts = dependencies.mounts->ReloadPlugin(plugin);
  return mounts.ok() ? Reloaded(call, *mounts) : Failure(mounts.status());
}

// One that fails does not keep the others from being reloaded; the answer names each that has.
Answer ReloadMounts(const Dependencies& dependencies, const Call& call,
                    const std::vector<std::string>& paths) {
  mounts::ReloadFailures failures;
  for (const std::string& path : paths) failures.Note(path, dependencies.mounts->Reload(path));
  if (!failures.status().ok()) return Failure(failures.status());
  return Reloaded(call, static_cast<int>(paths.size()));
}

// reload/backend {plugin | mounts}, reload/<type>/<name>
Answer AnswerReload(const Dependencies& dependencies, const Call& call) {
  if (const std::string scope = call.fields.Text("scope"); !scope.empty() && scope != "global") {
    return ErrorAnswer(400, "reload scope must be omitted or 'global'");
  }
  const std::string_view rest = WithoutPrefix(call.path, kReload);
  if (rest == "backend") {
    const std::string plugin = call.fields.Text("plugin");
    const std::vector<std::string> paths = call.fields.List("mounts");
    if (plugin.empty() == paths.empty())
      return ErrorAnswer(400, "exactly one of plugin or mounts must be provided");
    return plugin.empty() ? ReloadMounts(dependencies, call, paths)
                          : ReloadPlugin(dependencies, call, plugin);
  }
  const std::size_t slash = rest.find('/');
  const std::string_view type = rest.substr(0, slash);
  if (slash == std::string_view::npos) return UnsupportedPath();
  if (type != "unknown" && !mounts::PluginTypeNamed(type)) {
    return ErrorAnswer(400, Concat({"\"", type,
                                    "\" is not a supported plugin type: auth, "
                                    "database, secret or unknown"}));
  }
  const bool none = type == "auth" || type == "database";
  return none ? Reloaded(call, 0) : ReloadPlugin(dependencies, call, rest.substr(slash + 1));
}

std::string RFC3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", time, absl::UTCTimeZone());
}

// What runs and what has crashed; no other host of plugins says it.
Answer ReadProcesses(const Dependencies& dependencies, const Call& call) {
  std::vector<std::string> plugins;
  for (const mounts::PluginProcesses& plugin : dependencies.catalog->Processes()) {
    std::vector<std::string> running;
    for (const mounts::PluginProcesses::Process& process : plugin.running) {
      running.push_back(ObjectText()
                            .Raw("mounts", ArrayText(process.mounts))
                            .Number("pid", process.pid)
                            .Text("started", RFC3339(process.started))
                            .Finish());
    }
    const bool waits = plugin.next_restart > dependencies.clock->Now();
    plugins.push_back(ObjectText()
                          .Number("crashes", plugin.crashes)
                          .Number("fruitless_restarts", plugin.fruitless_restarts)
                          .Text("last_crash", plugin.last_crash)
                          .Text("name", plugin.name)
                          .Text("next_restart", waits ? RFC3339(plugin.next_restart) : "")
                          .Raw("running", ArrayOf(running))
                          .Text("version", plugin.version)
                          .Finish());
  }
  return Data(call, ObjectText().Raw("plugins", ArrayOf(plugins)).Finish());
}

// What is named in the old way is authorised by the new one, too.
Answer AnswerEntryOrFolder(const Dependencies& dependencies, const Call& call) {
  std::optional<std::string> path = CatalogPath(call);
  if (!path) return ErrorAnswer(400, "missing type value: auth, database or secret");
  if (*path == call.path) return AnswerCatalog(dependencies, call);
  Call renamed = call;
  renamed.path = *std::move(path);
  const bool may = MayCall(dependencies, renamed, mounts::Existence::kExists) &&
                   MayAsk(*dependencies.authorizer, renamed.identity, access::Capability::kSudo,
                          renamed.path, renamed.data);
  return may ? AnswerCatalog(dependencies, renamed) : Denied();
}

constexpr DeclaredField kNewPlugin[] = {
    {"args", FieldKind::kTextList}, {"command", FieldKind::kText},   {"download", FieldKind::kBool},
    {"env", FieldKind::kTextList},  {"oci_image", FieldKind::kText}, {"runtime", FieldKind::kText},
    {"sha256", FieldKind::kText},   {"sha_256", FieldKind::kText},   {"type", FieldKind::kText},
    {"version", FieldKind::kText},
};
constexpr DeclaredField kPlugin[] = {{"type", FieldKind::kText}, {"version", FieldKind::kText}};
constexpr DeclaredField kReloadFields[] = {
    {"mounts", FieldKind::kTextList}, {"plugin", FieldKind::kText}, {"scope", FieldKind::kText}};
constexpr DeclaredField kReloadOneFields[] = {{"scope", FieldKind::kText}};

// Whoever can register a program can run it as the server's user, so that the catalog needs sudo.
constexpr Endpoint kEndpoints[] = {
    {.path = kCatalog,
     .operation = Operation::kRead,
     .right = Right::kSudo,
     .answer = &AnswerCatalog},
    {.path = "sys/plugins/catalog/*",
     .operation = Operation::kRead,
     .right = Right::kSudo,
     .fields = kPlugin,
     .answer = &AnswerEntryOrFolder},
    {.path = "sys/plugins/catalog/*",
     .operation = Operation::kList,
     .right = Right::kSudo,
     .answer = &AnswerCatalog},
    {.path = "sys/plugins/catalog/*",
     .operation = Operation::kUpdate,
     .right = Right::kSudo,
     .place = Place::kPluginExecutor,
     .fields = kNewPlugin,
     .answer = &AnswerEntryOrFolder},
    {.path = "sys/plugins/catalog/*",
     .operation = Operation::kDelete,
     .right = Right::kSudo,
     .fields = kPlugin,
     .answer = &AnswerEntryOrFolder},
    {.path = "sys/plugins/processes",
     .operation = Operation::kRead,
     .right = Right::kSudo,
     .answer = &ReadProcesses},
    {.path = "sys/plugins/reload/backend",
     .operation = Operation::kUpdate,
     .place = Place::kPluginExecutor,
     .fields = kReloadFields,
     .answer = &AnswerReload},
    {.path = "sys/plugins/reload/*",
     .operation = Operation::kUpdate,
     .place = Place::kPluginExecutor,
     .fields = kReloadOneFields,
     .answer = &AnswerReload},
};

}  // namespace

std::span<const Endpoint> PluginEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::builtin
