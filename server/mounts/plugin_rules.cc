#include "server/mounts/plugin_rules.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <system_error>

#include "base/text.h"

namespace belfry::mounts {
namespace {

constexpr std::size_t kSha256Digits = 64;
constexpr std::size_t kMaxVersionRestBytes = 128;

bool IsHexDigest(std::string_view text) {
  return text.size() == kSha256Digits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

std::optional<PluginVersion> ParsePluginVersion(std::string_view text) {
  if (!text.starts_with('v')) return std::nullopt;
  text.remove_prefix(1);
  PluginVersion version;
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

bool IsPluginName(std::string_view name) {
  const auto is_control = [](char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; };
  return !name.empty() && name.find("..") == std::string_view::npos &&
         name.find('/') == std::string_view::npos && !name.starts_with(' ') &&
         !name.ends_with(' ') && std::none_of(name.begin(), name.end(), is_control);
}

absl::Status CheckPluginEntry(const PluginEntry& entry) {
  if (entry.type != PluginType::kSecret) {
    return absl::InvalidArgumentError(
        Concat({"this server runs secrets plugins only; register the plugin with type \"secret\", "
                "not \"",
                PluginTypeName(entry.type), "\""}));
  }
  if (!IsPluginName(entry.name)) {
    return absl::InvalidArgumentError(Concat(
        {"a plugin's name is not empty, and has no \"..\", no \"/\", no control characters and no "
         "spaces at its ends: \"",
         entry.name, "\""}));
  }
  if (entry.command.empty())
    return absl::InvalidArgumentError("must provide at least one of command or oci_image");
  if (entry.command.find('/') != std::string::npos || entry.command == "." ||
      entry.command == "..") {
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
  if (!entry.version.empty() && !ParsePluginVersion(entry.version)) {
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

}  // namespace belfry::mounts
