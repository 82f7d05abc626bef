#include "server/configuration.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <optional>
#include <system_error>
#include <utility>

#include "base/duration.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/access/hcl.h"
#include "server/configuration_keys.h"
#include "server/mounts/plugin_rules.h"

namespace belfry {
namespace {

using access::hcl::Item;
using access::hcl::Quoted;
using access::hcl::Value;
using Block = ConfigurationBlock;
using Draft = ConfigurationDraft;
using Key = ConfigurationKey;

constexpr std::size_t kMaxFileBytes = 1024 * 1024;

std::string StorageAdvice() {
  return Concat({"write ", kRocksDbExample, ", or ", kInMemoryExample,
                 " to keep everything in memory and lose it at the end"});
}

std::string SealAdvice() {
  return Concat({"write ", kFileSealExample, ", or ", kCommandSealExample,
                 ", or remove it to unseal the server with shares of a key"});
}

// What may be written in place of a block of this name.
std::string AdviceFor(const Block& block) {
  if (block.name == "storage") return StorageAdvice();
  if (block.name == "seal") return SealAdvice();
  return Concat({"write ", block.example});
}

// "storage" of what Vault also calls "backend".
std::string_view BlockName(std::string_view written) {
  return written == "backend" ? "storage" : written;
}

// How many characters have to be left out, put in or replaced to make one of the other.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

// "; did you mean …?" when one of the names is near.
std::string NearestName(const std::string& written, const std::vector<std::string_view>& names) {
  constexpr std::size_t kNear = 2;
  constexpr std::size_t kMaxWritten = 64;
  if (written.size() > kMaxWritten) return "";
  const auto distance = [&written](std::string_view name) { return EditDistance(written, name); };
  const auto nearest = std::min_element(
      names.begin(), names.end(),
      [&](std::string_view a, std::string_view b) { return distance(a) < distance(b); });
  if (nearest == names.end() || distance(*nearest) > kNear || nearest->size() <= kNear) return "";
  return Concat({"; did you mean ", *nearest, "?"});
}

std::vector<std::string_view> TopNames() {
  std::vector<std::string_view> names = {"backend"};
  for (const Key& key : TopConfigurationKeys()) names.push_back(key.name);
  for (const Block& block : ConfigurationBlocks()) names.push_back(block.name);
  return names;
}

// Reads files one after the other, past what is wrong in them, and keeps every error.
class Reader {
 public:
  void Read(const ConfigurationFile& file) {
    file_ = file.name;
    names_ += Concat({names_.empty() ? "" : ", ", file.name});
    const auto items = access::hcl::Parse(file.text, access::hcl::Repeats::kKept);
    if (!items.ok()) {
      errors_.push_back(
          Concat({file_, ":", WithoutPrefix(ToStd(items.status().message()), "At ")}));
      return;
    }
    for (const Item& item : *items) ReadTop(item);
  }

  absl::StatusOr<HostConfig> Finish() {
    // Something that cannot be read may be what is missing.
    if (errors_.empty()) CheckWhole();
    if (errors_.empty()) return std::move(draft_.config);
    std::string text;
    for (const std::string& error : errors_) text += Concat({text.empty() ? "" : "\n", error});
    return absl::InvalidArgumentError(text);
  }

 private:
  std::string PlaceOf(access::hcl::Position position) const {
    return Concat({file_, ":", ToText(position)});
  }
  void Fail(std::string_view place, std::string_view what) {
    errors_.push_back(Concat({place, ": ", what}));
  }

  // Keeps where something is said for the first time, and says where that was.
  std::optional<std::string> SaidBefore(const std::string& name, const std::string& place) {
    const auto [at, first] = places_.emplace(name, place);
    return first ? std::nullopt : std::optional(at->second);
  }

  void ReadTop(const Item& item) {
    const std::string_view name = BlockName(item.keys[0].text);
    for (const Block& block : ConfigurationBlocks()) {
      if (block.name == name) return ReadBlock(name, item);
    }
    if (ReadKey(TopConfigurationKeys(), "", item)) return;
    const std::string advice = NearestName(item.keys[0].text, TopNames());
    FailUnknown(item, "", advice.empty() ? "; remove it" : advice);
  }

  // The block of this name and type; nullptr when it has left an error.
  const Block* FindBlock(std::string_view name, const Item& item) {
    const Block* named = nullptr;
    // A plugin has a name of its own behind its type.
    const std::size_t words = name == "plugin" ? 3 : 2;
    const bool is_object = item.value.kind == Value::Kind::kObject;
    for (const Block& block : ConfigurationBlocks()) {
      if (block.name != name) continue;
      named = &block;
      const bool same_type = block.type.empty()
                                 ? item.keys.size() == 1
                                 : item.keys.size() == words && item.keys[1].text == block.type;
      if (same_type && is_object) return &block;
    }
    const bool other_type = is_object && item.keys.size() == words;
    const std::string what = other_type
                                 ? Concat({" ", Quoted(item.keys[1].text), " is not supported"})
                                 : std::string(" is not written like this");
    Fail(PlaceOf(item.keys[other_type ? 1 : 0].position),
         Concat({item.keys[0].text, what, ": ", AdviceFor(*named)}));
    return nullptr;
  }

  void ReadBlock(std::string_view name, const Item& item) {
    const Block* const block = FindBlock(name, item);
    const std::string place = PlaceOf(item.keys.back().position);
    if (block == nullptr) return;
    std::string prefix = Concat({name, "."});
    if (block->name == "listener") {
      draft_.listeners.push_back({.place = place});
      prefix += Concat({std::to_string(draft_.listeners.size()), "."});
    } else if (block->name == "plugin") {
      draft_.plugins.push_back({.place = place, .entry = {.name = item.keys.back().text}});
      prefix += Concat({std::to_string(draft_.plugins.size()), "."});
    } else if (!block->type.empty()) {
      if (const auto before = SaidBefore(std::string(name), place)) {
        return Fail(place, Concat({"there can be one ", name, " only, and there is one at ",
                                   *before, ": remove one of them"}));
      }
    }
    if (block->name == "storage") {
      for (const StorageConfig::Kind kind : StorageConfig::kKinds) {
        if (NameOf(kind) == block->type) draft_.config.storage.kind = kind;
      }
    }
    if (block->name == "seal") {
      draft_.config.seal.kind =
          block->type == "file" ? seal::SealKind::kFile : seal::SealKind::kCommand;
    }
    for (const Item& inner : item.value.object) {
      if (!ReadKey(block->keys, prefix, inner)) FailUnknownIn(*block, inner);
    }
  }

  // False for a key that is not one of them.
  bool ReadKey(std::span<const Key> keys, const std::string& prefix, const Item& item) {
    const access::hcl::Key& written = item.keys[0];
    const auto key = std::find_if(keys.begin(), keys.end(),
                                  [&](const Key& known) { return known.name == written.text; });
    if (key == keys.end()) return false;
    const std::string place = PlaceOf(written.position);
    const auto before = SaidBefore(Concat({prefix, key->name}), place);
    const bool assigned = item.assign.line != 0;
    if (const auto problem = key->take(*key, item, &draft_)) {
      Fail(assigned ? PlaceOf(item.value.position) : place, *problem);
    } else if (before) {
      Fail(place, Concat({key->name, " is already set at ", *before, ": remove one of them"}));
    }
    return true;
  }

  void FailUnknown(const Item& item, std::string_view where, std::string_view advice) {
    const access::hcl::Key& key = item.keys[0];
    Fail(PlaceOf(key.position), Concat({"unknown key ", Quoted(key.text), where, advice}));
  }

  void FailUnknownIn(const Block& block, const Item& item) {
    std::vector<std::string_view> names;
    std::string all;
    for (const Key& key : block.keys) {
      names.push_back(key.name);
      all += Concat({all.empty() ? "" : ", ", key.name});
    }
    std::string where = Concat({" in ", block.name});
    if (!block.type.empty()) where += Concat({" \"", block.type, "\""});
    std::string advice = NearestName(item.keys[0].text, names);
    if (advice.empty()) {
      advice = all.empty() ? "; it has no keys" : Concat({"; its keys are ", all});
    }
    FailUnknown(item, where, advice);
  }

  // What can be said only when everything has been read.
  void CheckWhole() {
    CheckStorage();
    CheckSeal();
    CheckListeners();
    CheckPlugins();
    CheckLeaseTimes();
  }

  void CheckStorage() {
    const auto storage = places_.find("storage");
    if (storage == places_.end()) {
      Fail(names_, Concat({"there is no storage: ", StorageAdvice()}));
    } else if (draft_.config.storage.kind == StorageConfig::Kind::kRocksDb &&
               draft_.config.storage.path.empty()) {
      Fail(storage->second, Concat({"this storage has no path: write ", kRocksDbExample}));
    }
  }

  void CheckSeal() {
    const seal::SealOptions& seal = draft_.config.seal;
    if (seal.kind == seal::SealKind::kFile && seal.path.empty())
      Fail(places_.at("seal"), Concat({"this seal has no path: write ", kFileSealExample}));
    if (seal.kind == seal::SealKind::kCommand && seal.command.empty())
      Fail(places_.at("seal"), Concat({"this seal has no command: write ", kCommandSealExample}));
  }

  void CheckListeners() {
    if (draft_.listeners.empty())
      Fail(names_, Concat({"there is no listener: write ", kListenerExample}));
    draft_.config.listeners.clear();
    for (ListenerDraft& listener : draft_.listeners) {
      CheckAddress(listener);
      if (!listener.tls_disabled) {
        CheckTls(listener);
      } else if (!listener.tls.certificate_file.empty() || !listener.tls.key_file.empty()) {
        Fail(listener.place, "there are tls_disable = true and files for TLS: remove one of them");
      }
      draft_.config.listeners.push_back(listener.config);
    }
  }

  void CheckPlugins() {
    std::map<std::pair<std::string, std::string>, std::string> places;
    for (PluginDraft& plugin : draft_.plugins) {
      const mounts::PluginEntry& entry = plugin.entry;
      if (entry.command.empty() || entry.sha256.empty()) {
        Fail(plugin.place, Concat({"a plugin needs command and sha256: write ", kPluginExample}));
      } else if (const absl::Status bad = mounts::CheckPluginEntry(entry); !bad.ok()) {
        Fail(plugin.place, ToStd(bad.message()));
      }
      const auto [other, first] =
          places.emplace(std::pair(entry.name, entry.version), plugin.place);
      if (!first) {
        Fail(plugin.place, Concat({"the plugin at ", other->second,
                                   " has the same name and version: remove one of them"}));
      }
      draft_.config.plugins.push_back(entry);
    }
  }

  void CheckAddress(const ListenerDraft& listener) {
    const ListenerConfig& own = listener.config;
    for (const ListenerDraft& other : draft_.listeners) {
      if (&other == &listener) return;
      if (own.port == 0 || own.port != other.config.port || own.address != other.config.address)
        continue;
      return Fail(listener.place, Concat({"the listener at ", other.place,
                                          " has the same address: change one of them"}));
    }
  }

  void CheckTls(ListenerDraft& listener) {
    const std::string& place = listener.place;
    http::TlsOptions& tls = listener.tls;
    if (tls.certificate_file.empty() || tls.key_file.empty()) {
      return Fail(place,
                  "a listener needs tls_cert_file and tls_key_file, or tls_disable = true where "
                  "something else keeps tokens from being read on their way");
    }
    if (tls.max_version < tls.min_version)
      return Fail(place, "tls_max_version is below tls_min_version");
    if (listener.client_certificates_required && listener.client_certificates_disabled) {
      return Fail(place,
                  "tls_require_and_verify_client_cert and tls_disable_client_certs cannot both be "
                  "true: remove one of them");
    }
    if (listener.client_certificates_required && tls.client_ca_file.empty()) {
      return Fail(place, "tls_require_and_verify_client_cert needs tls_client_ca_file");
    }
    if (listener.client_certificates_disabled) tls.client_ca_file.clear();
    if (listener.client_certificates_required) {
      tls.without_certificate = http::TlsOptions::WithoutCertificate::kRefused;
    }
    listener.config.tls = tls;
  }

  // max_lease_ttl alone bounds the default, too.
  void CheckLeaseTimes() {
    Limits& limits = draft_.config.limits;
    const auto said = places_.find("default_lease_ttl");
    if (said == places_.end()) {
      limits.default_lease_ttl = std::min(limits.default_lease_ttl, limits.max_lease_ttl);
    } else if (limits.default_lease_ttl > limits.max_lease_ttl) {
      Fail(said->second, Concat({"default_lease_ttl is longer than max_lease_ttl, which is ",
                                 DurationText(limits.max_lease_ttl), ": change one of them"}));
    }
  }

  std::string file_;   // The one that is being read.
  std::string names_;  // Of all files.
  Draft draft_;
  std::map<std::string, std::string> places_;  // Of what has been said, by its whole name.
  std::vector<std::string> errors_;
};

absl::Status CannotRead(const std::filesystem::path& path, const std::error_code& error) {
  return absl::InvalidArgumentError(Concat({path.native(), ": ", error.message()}));
}

// The files that a path stands for.
absl::StatusOr<std::vector<std::filesystem::path>> FilesAt(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    if (!std::filesystem::exists(path, error) && !error)
      error = std::make_error_code(std::errc::no_such_file_or_directory);
    if (error) return CannotRead(path, error);
    return std::vector{path};
  }
  std::vector<std::filesystem::path> files;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    const bool named = name.ends_with(".hcl") || name.ends_with(".json");
    if (named && !name.starts_with('.')) files.push_back(entry->path());
  }
  if (error) return CannotRead(path, error);
  if (files.empty()) {
    return absl::InvalidArgumentError(
        Concat({path.native(), ": no file in this directory ends in .hcl or .json"}));
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<ConfigurationFile> ReadText(const std::filesystem::path& path) {
  ConfigurationFile file{.name = path.native()};
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  file.text.resize(kMaxFileBytes + 1);
  in.read(file.text.data(), static_cast<std::streamsize>(file.text.size()));
  if (in.bad() || (in.fail() && !in.eof()))
    return CannotRead(path, std::error_code(errno == 0 ? EIO : errno, std::generic_category()));
  file.text.resize(static_cast<std::size_t>(in.gcount()));
  if (file.text.size() > kMaxFileBytes)
    return absl::InvalidArgumentError(Concat({file.name, ": larger than 1 MiB"}));
  return file;
}

}  // namespace

absl::StatusOr<HostConfig> ParseConfiguration(std::span<const ConfigurationFile> files) {
  Reader reader;
  for (const ConfigurationFile& file : files) reader.Read(file);
  return reader.Finish();
}

absl::StatusOr<HostConfig> ReadConfiguration(std::span<const std::string> paths) {
  std::vector<ConfigurationFile> files;
  for (const std::string& path : paths) {
    const auto found = FilesAt(path);
    if (!found.ok()) return found.status();
    for (const std::filesystem::path& name : *found) {
      absl::StatusOr<ConfigurationFile> file = ReadText(name);
      if (!file.ok()) return file.status();
      files.push_back(*std::move(file));
    }
  }
  return ParseConfiguration(files);
}

std::vector<std::string_view> ChangesThatNeedRestart(const HostConfig& before,
                                                     const HostConfig& after) {
  const auto lease_times = [](const HostConfig& config) {
    return std::pair(config.limits.default_lease_ttl, config.limits.max_lease_ttl);
  };
  // Without what has a key of its own.
  const auto limits = [](const HostConfig& config) {
    Limits limits = config.limits;
    limits.default_lease_ttl = limits.max_lease_ttl = absl::ZeroDuration();
    return limits;
  };
  const std::pair<std::string_view, bool> same[] = {
      {"api_addr", before.api_address == after.api_address},
      {"cluster_name", before.cluster_name == after.cluster_name},
      {"default_lease_ttl, max_lease_ttl", lease_times(before) == lease_times(after)},
      {"journal", before.journal == after.journal},
      {"limits", limits(before) == limits(after)},
      {"listener", before.listeners == after.listeners},
      {"log_file", before.log_file == after.log_file},
      {"log_format", before.log_format == after.log_format},
      {"pid_file", before.pid_file == after.pid_file},
      {"plugin_directory", before.plugin_directories == after.plugin_directories},
      {"seal", before.seal == after.seal},
      {"storage", before.storage == after.storage},
  };
  std::vector<std::string_view> changed;
  for (const auto& [name, unchanged] : same) {
    if (!unchanged) changed.push_back(name);
  }
  return changed;
}

}  // namespace belfry
