#include "cli/kv_output.h"

#include <algorithm>

#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace json = boost::json;

std::string PathHeading(std::string_view title, std::string_view path) {
  return Concat(Heading(title, DisplayWidth(path)), path, "\n\n");
}

}  // namespace

std::string VersionTables(std::string_view path, const json::object& version) {
  return PathHeading("Secret Path", path) + TitledTable("Metadata", version);
}

std::string SecretTables(std::string_view path, const json::object& data) {
  std::string out = PathHeading("Secret Path", path);
  const auto* metadata = data.if_contains("metadata");
  const auto* secret = data.if_contains("data");
  if (metadata != nullptr && metadata->is_object())
    out += TitledTable("Metadata", metadata->get_object()) + "\n";
  if (secret != nullptr && secret->is_object()) out += TitledTable("Data", secret->get_object());
  return out;
}

std::string PlainTable(const json::object& secret) {
  return TitledTable("Data", secret);
}

std::string MetadataTables(std::string_view path, const json::object& metadata) {
  json::object settings = metadata;
  settings.erase("versions");
  std::string out = PathHeading("Metadata Path", path) + TitledTable("Metadata", settings);
  const auto* versions = metadata.if_contains("versions");
  if (versions == nullptr || !versions->is_object()) return out;
  std::vector<std::pair<std::string, const json::value*>> sorted;
  for (const auto& [number, version] : versions->get_object())
    sorted.emplace_back(std::string(number), &version);
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first.size(), a.first) < std::pair(b.first.size(), b.first);
  });
  for (const auto& [number, version] : sorted) {
    if (version->is_object())
      out += "\n" + TitledTable(Concat("Version ", number), version->get_object());
  }
  return out;
}

std::string KeyList(const json::array& keys) {
  std::string out = "Keys\n----\n";
  for (const auto& key : keys) out += ShownOnOneLine(OneLine(key)) + "\n";
  return out;
}

}  // namespace belfry::cli
