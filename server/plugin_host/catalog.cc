#include "server/plugin_host/catalog.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/strings.h"
#include "base/text.h"
#include "server/plugin_host/program_file.h"

namespace belfry::plugin_host {
namespace {

using mounts::PluginEntry;
using mounts::PluginType;

constexpr std::string_view kPrefix = "belfry-";
constexpr std::size_t kSha256Digits = 64;
constexpr std::size_t kMaxVersionRestBytes = 128;

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

// A semantic version's order: its three numbers, and whether it is no pre-release.
struct Version {
  std::array<long, 3> numbers = {};
  bool release = true;
  std::string rest;
  auto operator<=>(const Version&) const = default;
};

// nullopt: not a "v1.2.3" with an optional "-rc1" or "+build". (semver.org 2.0.0)
std::optional<Version> ParseVersion(std::string_view text) {
  if (!text.starts_with('v')) return std::nullopt;
  text.remove_prefix(1);
  Version version;
  for (std::size_t i = 0; i < version.numbers.size(); ++i) {
    if (i > 0) {
      if (!text.starts_with('.')) return std::nullopt;
      text.remove_prefix(1);
    }
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), version.numbers[i]);
    if (error != std::errc() || version.numbers[i] < 0) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  constexpr std::string_view kIdentifiers =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-+";
  if (!text.empty() && ((text[0] != '-' && text[0] != '+') || text.size() == 1 ||
                        text.size() > kMaxVersionRestBytes ||
                        text.find_first_not_of(kIdentifiers) != std::string_view::npos))
    return std::nullopt;
  version.release = !text.starts_with('-');
  version.rest = text;
  return version;
}

bool IsHexDigest(std::string_view text) {
  return text.size() == kSha256Digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// One that cannot lead out of a folder.
bool IsPluginName(std::string_view name) {
  return !name.empty() && name.find("..") == std::string_view::npos &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

absl::Status CheckFields(const PluginEntry& entry) {
  if (entry.type != PluginType::kSecret) {
    return absl::InvalidArgumentError(
        Concat({"this server runs secrets plugins only; register the plugin with type \"secret\", "
                "not \"",
                mounts::PluginTypeName(entry.type), "\""}));
  }
  if (!IsPluginName(entry.name)) {
    return absl::InvalidArgumentError(Concat(
        {"a plugin's name is not empty and has no \"..\" and no \"/\": \"", entry.name, "\""}));
  }
  if (entry.command.empty())
    return absl::InvalidArgumentError("must provide at least one of command or oci_image");
  if (entry.command.find('/') != std::string::npos || entry.command == "..") {
    return absl::InvalidArgumentError(
        Concat({"a plugin's command is the name of a file in the plugin directory, not a path: \"",
                entry.command, "\""}));
  }
  // The system would take the name up to there.
  if (entry.command.find('\0') != std::string::npos)
    return absl::InvalidArgumentError("a plugin's command has no NUL byte");
  if (!IsHexDigest(entry.sha256)) {
    return absl::InvalidArgumentError(
        Concat({"a plugin's sha256 is 64 hexadecimal digits, as sha256sum prints them: \"",
                entry.sha256, "\""}));
  }
  if (!entry.version.empty() && !ParseVersion(entry.version)) {
    return absl::InvalidArgumentError(Concat(
        {"a plugin's version is a semantic version such as v1.2.3: \"", entry.version, "\""}));
  }
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  if (std::any_of(entry.args.begin(), entry.args.end(), has_nul) ||
      std::any_of(entry.env.begin(), entry.env.end(), has_nul)) {
    return absl::InvalidArgumentError(
        "a plugin's arguments and environment variables have no NUL byte");
  }
  for (const std::string& variable : entry.env) {
    if (variable.find('=') == std::string::npos || variable.starts_with('=')) {
      return absl::InvalidArgumentError(
          Concat({"a plugin's environment has NAME=value pairs: \"", variable, "\""}));
    }
  }
  return absl::OkStatus();
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
  if (absl::Status bad = CheckFields(entry); !bad.ok()) return bad;
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

std::optional<Catalog::Rebuilt> Catalog::TakeRebuilt(const PluginEntry& entry,
                                                     const std::string& path) {
  const Key key(entry.type, entry.name, entry.version);
  {
    MutexLock lock(&mutex_);
    if (!scanned_.contains(key)) return std::nullopt;
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
  const auto it = entries_.find(Key(type, name, version));
  if (it == entries_.end()) return std::nullopt;
  return it->second;
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
    if (candidate &&
        (newest == nullptr || ParseVersion(newest->version) < ParseVersion(entry.version)))
      newest = &entry;
  }
  if (newest != nullptr) return *newest;
  return NotRegistered(name);
}

// Vault's words, and what an operator who has put the program into the folder has to do.
absl::Status Catalog::NotRegistered(std::string_view name) const {
  const std::string unknown = Concat({"plugin not found in the catalog: ", name});
  if (!IsPluginName(name)) return absl::NotFoundError(unknown);
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
  for (const auto& [key, entry] : entries_) list.push_back(entry);
  return list;
}

}  // namespace belfry::plugin_host
