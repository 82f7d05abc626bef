#include "server/plugin_host/catalog.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/strings.h"
#include "base/text.h"
#include "server/mounts/plugin_rules.h"
#include "server/plugin_host/program_file.h"

namespace belfry::plugin_host {
namespace {

using mounts::PluginEntry;
using mounts::PluginType;

constexpr std::string_view kPrefix = "belfry-";

std::string NameOf(const std::filesystem::path& file) {
  std::string name = file.filename().string();
  if (name.starts_with(kPrefix) && name.size() > kPrefix.size()) name.erase(0, kPrefix.size());
  return name;
}

// Whether a directory's listing has something that could be a program, a link to one included.
bool LooksExecutable(const std::filesystem::directory_entry& file) {
  constexpr auto kExecutable = std::filesystem::perms::owner_exec |
                               std::filesystem::perms::group_exec |
                               std::filesystem::perms::others_exec;
  std::error_code error;
  return file.is_regular_file(error) &&
         (file.status(error).permissions() & kExecutable) != std::filesystem::perms::none;
}

}  // namespace

std::vector<std::string> Catalog::Scan() {
  std::vector<std::string> concerns;
  for (const std::string& directory : directories_) {
    std::error_code error;
    for (const auto& file : std::filesystem::directory_iterator(directory, error)) {
      if (!LooksExecutable(file) || Get(PluginType::kSecret, NameOf(file.path()), "")) continue;
      absl::StatusOr<ProgramFile> program = OpenProgram(file.path().string());
      if (!program.ok()) {
        concerns.emplace_back(ToStd(program.status().message()));
        continue;
      }
      absl::StatusOr<std::string> sha256 = Sha256Of(program->descriptor);
      if (!sha256.ok()) continue;
      concerns.insert(concerns.end(), program->concerns.begin(), program->concerns.end());
      PluginEntry entry;
      entry.name = NameOf(file.path());
      entry.command = file.path().filename().string();
      entry.sha256 = *std::move(sha256);
      MutexLock lock(&mutex_);
      const Key key(entry.type, entry.name, entry.version);
      scanned_.insert(key);
      entries_.insert_or_assign(key, std::move(entry));
    }
  }
  std::sort(concerns.begin(), concerns.end());
  concerns.erase(std::unique(concerns.begin(), concerns.end()), concerns.end());
  return concerns;
}

absl::StatusOr<std::string> Catalog::Check(const PluginEntry& entry) const {
  if (directories_.empty()) {
    return absl::FailedPreconditionError(
        "could not set plugin, plugin directory is not configured");
  }
  if (absl::Status bad = mounts::CheckPluginEntry(entry); !bad.ok()) return bad;
  for (const std::string& directory : directories_) {
    std::error_code error;
    const std::filesystem::path path =
        std::filesystem::absolute(std::filesystem::path(directory) / entry.command, error);
    if (error) continue;
    const absl::Status opened = OpenProgram(path.string()).status();
    if (opened.ok()) return path.string();
    if (!absl::IsNotFound(opened)) return opened;
  }
  return absl::InvalidArgumentError(
      Concat({"there is no executable file \"", entry.command, "\" in the plugin directory"}));
}

absl::Status Catalog::CheckProgram(const PluginEntry& entry) const {
  const absl::StatusOr<std::string> path = Check(entry);
  if (!path.ok()) return path.status();
  const absl::StatusOr<ProgramFile> program = OpenProgram(*path);
  if (!program.ok()) return program.status();
  const absl::StatusOr<std::string> sha256 = Sha256Of(program->descriptor);
  if (!sha256.ok()) return sha256.status();
  if (*sha256 == entry.sha256) return absl::OkStatus();
  return absl::FailedPreconditionError(
      Concat({*path, " has the sha256 ", *sha256, ", not ", entry.sha256}));
}

std::optional<Catalog::Rebuilt> Catalog::TakeRebuilt(const PluginEntry& entry,
                                                     const std::string& path) {
  const Key key(entry.type, entry.name, entry.version);
  {
    MutexLock lock(&mutex_);
    if (!scanned_.contains(key) || declared_.contains(key)) return std::nullopt;
  }
  const absl::StatusOr<ProgramFile> program = OpenProgram(path);
  if (!program.ok()) return std::nullopt;
  absl::StatusOr<std::string> sha256 = Sha256Of(program->descriptor);
  if (!sha256.ok()) return std::nullopt;
  MutexLock lock(&mutex_);
  // Registered meanwhile: that holds.
  if (!scanned_.contains(key)) return std::nullopt;
  PluginEntry& known = entries_.at(key);
  const bool first = known.sha256 != *sha256;
  if (!first && *sha256 == entry.sha256) return std::nullopt;
  known.sha256 = *std::move(sha256);
  return Rebuilt{.entry = known, .first = first};
}

std::vector<std::string> Catalog::Declare(std::vector<PluginEntry> entries) {
  std::map<Key, PluginEntry> declared;
  for (PluginEntry& entry : entries) {
    Key key(entry.type, entry.name, entry.version);
    declared.insert_or_assign(std::move(key), std::move(entry));
  }
  std::vector<std::string> changed;
  MutexLock lock(&mutex_);
  declared_.swap(declared);
  for (const auto& [key, before] : declared) {
    const auto now = declared_.find(key);
    if (now == declared_.end() || !(now->second == before)) changed.push_back(before.name);
  }
  return changed;
}

absl::Status Catalog::CheckNotDeclared(PluginType type, std::string_view name) const {
  MutexLock lock(&mutex_);
  const bool declared = std::any_of(declared_.begin(), declared_.end(), [&](const auto& one) {
    return one.second.type == type && one.second.name == name;
  });
  if (!declared) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat({"the plugin ", name,
              " is declared in the server's configuration: change it there, then send the server "
              "SIGHUP"}));
}

void Catalog::Put(PluginEntry entry) {
  MutexLock lock(&mutex_);
  Key key(entry.type, entry.name, entry.version);
  scanned_.erase(key);
  entries_.insert_or_assign(std::move(key), std::move(entry));
}

void Catalog::Remove(PluginType type, std::string_view name, std::string_view version) {
  MutexLock lock(&mutex_);
  const Key key(type, name, version);
  scanned_.erase(key);
  entries_.erase(key);
}

std::optional<PluginEntry> Catalog::Get(PluginType type, std::string_view name,
                                        std::string_view version) const {
  MutexLock lock(&mutex_);
  const Key key(type, name, version);
  for (const auto* const entries : {&declared_, &entries_}) {
    if (const auto it = entries->find(key); it != entries->end()) return it->second;
  }
  return std::nullopt;
}

absl::StatusOr<PluginEntry> Catalog::Resolve(std::string_view name,
                                             std::string_view version) const {
  if (std::optional<PluginEntry> entry = Get(PluginType::kSecret, name, version))
    return *std::move(entry);
  if (!version.empty()) {
    return absl::NotFoundError(
        Concat({"plugin not found in the catalog: ", name, " version ", version}));
  }
  const std::vector<PluginEntry> all = List();
  const PluginEntry* newest = nullptr;
  for (const PluginEntry& entry : all) {
    const bool candidate = entry.type == PluginType::kSecret && entry.name == name;
    if (candidate && (newest == nullptr || mounts::ParsePluginVersion(newest->version) <
                                               mounts::ParsePluginVersion(entry.version)))
      newest = &entry;
  }
  if (newest != nullptr) return *newest;
  return NotRegistered(name);
}

// Vault's words, and what an operator who has put the program into the folder has to do.
absl::Status Catalog::NotRegistered(std::string_view name) const {
  const std::string unknown = Concat({"plugin not found in the catalog: ", name});
  if (!mounts::IsPluginName(name)) return absl::NotFoundError(unknown);
  const std::string_view known = WithoutPrefix(name, kPrefix);
  if (known != name && Resolve(known, "").ok()) {
    return absl::NotFoundError(
        Concat({unknown, "; the plugin of the program ", name, " has the name ", known}));
  }
  for (const std::string& directory : directories_) {
    for (const std::string& command : {Concat({kPrefix, name}), std::string(name)}) {
      std::error_code error;
      const std::filesystem::path path = std::filesystem::path(directory) / command;
      if (!std::filesystem::exists(std::filesystem::symlink_status(path, error))) continue;
      const absl::Status opened = OpenProgram(path.string()).status();
      if (!opened.ok())
        return absl::NotFoundError(Concat({unknown, "; ", ToStd(opened.message())}));
      return absl::NotFoundError(
          Concat({unknown, "; ", path.string(),
                  " has not been there since the server's start, or was removed from the catalog: "
                  "register it with PUT sys/plugins/catalog/secret/",
                  name, " {\"command\":\"", command, "\",\"sha256\":…}, or restart the server"}));
    }
  }
  return absl::NotFoundError(unknown);
}

std::vector<PluginEntry> Catalog::List() const {
  std::vector<PluginEntry> list;
  MutexLock lock(&mutex_);
  std::map<Key, PluginEntry> all = declared_;
  all.insert(entries_.begin(), entries_.end());
  for (auto& [key, entry] : all) list.push_back(std::move(entry));
  return list;
}

}  // namespace belfry::plugin_host
