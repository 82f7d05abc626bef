#include "plugins/kv/metadata_fields.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

namespace belfry::kv {
namespace {

using CustomMetadata = std::map<std::string, std::string>;

constexpr std::size_t kMaxCustomKeys = 64;
constexpr std::size_t kMaxCustomKeyBytes = 128;
constexpr std::size_t kMaxCustomValueBytes = 512;

bool Printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

absl::Status CheckCustomMetadata(const CustomMetadata& custom) {
  std::string problem;
  if (custom.size() > kMaxCustomKeys) {
    problem = "payload must contain at most " + std::to_string(kMaxCustomKeys) +
              " keys, provided " + std::to_string(custom.size());
  }
  for (const auto& [key, value] : custom) {
    if (key.empty() || key.size() > kMaxCustomKeyBytes)
      problem = "length of key \"" + key + "\" is " + std::to_string(key.size()) +
                " but must be between 1 and 128";
    if (value.empty() || value.size() > kMaxCustomValueBytes)
      problem = "length of value for key \"" + key + "\" is " + std::to_string(value.size()) +
                " but must be between 1 and 512";
    if (!Printable(key) || !Printable(value))
      problem = "key \"" + key + "\" or its value contains unprintable characters";
  }
  if (problem.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("custom_metadata validation failed: " + problem);
}

absl::Status WrongKind(const char* field) {
  return absl::InvalidArgumentError(
      std::string("Field validation failed: error converting input for field \"") + field + "\"");
}

absl::Status CheckDeleteVersionAfter(absl::Duration after) {
  if (after >= absl::ZeroDuration()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "error converting input for field \"delete_version_after\": cannot provide negative value '" +
      std::to_string(absl::ToInt64Seconds(after)) + "'");
}

// The text of a number or string; null when it is neither.
const std::string* Scalar(const Json& value) {
  return value.if_number() != nullptr ? &value.if_number()->text : value.if_string();
}

// nullopt when it is no integer or too large for one.
std::optional<std::int64_t> Integer(const std::string& text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

absl::Status PatchMaxVersions(const Json& value, KeyMetadata& metadata) {
  metadata.max_versions = 0;
  if (value.is_null()) return absl::OkStatus();
  const std::string* text = Scalar(value);
  const std::optional<std::int64_t> number = text == nullptr ? std::nullopt : Integer(*text);
  if (!number) return WrongKind("max_versions");
  metadata.max_versions = *number;
  return absl::OkStatus();
}

absl::Status PatchCasRequired(const Json& value, KeyMetadata& metadata) {
  if (!value.is_null() && value.if_bool() == nullptr) return WrongKind("cas_required");
  metadata.cas_required = !value.is_null() && *value.if_bool();
  return absl::OkStatus();
}

absl::Status PatchDeleteVersionAfter(const Json& value, KeyMetadata& metadata) {
  metadata.delete_version_after = absl::ZeroDuration();
  if (value.is_null()) return absl::OkStatus();
  const std::string* text = Scalar(value);
  if (text == nullptr) return WrongKind("delete_version_after");
  if (const std::optional<std::int64_t> seconds = Integer(*text)) {
    metadata.delete_version_after = absl::Seconds(*seconds);
  } else if (!absl::ParseDuration(*text, &metadata.delete_version_after)) {
    return WrongKind("delete_version_after");
  }
  return CheckDeleteVersionAfter(metadata.delete_version_after);
}

absl::Status PatchCustomMetadata(const Json& value, KeyMetadata& metadata) {
  if (value.is_null()) {
    metadata.custom_metadata.reset();
    return absl::OkStatus();
  }
  if (value.if_object() == nullptr) return WrongKind("custom_metadata");
  CustomMetadata custom = metadata.custom_metadata.value_or(CustomMetadata());
  for (const auto& [name, member] : *value.if_object()) {
    const std::string* text = Scalar(member);
    if (member.is_null()) {
      custom.erase(name);
    } else if (text != nullptr) {
      custom[name] = *text;
    } else {
      return WrongKind("custom_metadata");
    }
  }
  metadata.custom_metadata = std::move(custom);
  return CheckCustomMetadata(*metadata.custom_metadata);
}

}  // namespace

MetadataFields::MetadataFields(Route& route)
    : max_versions_(route.Field<std::int64_t>(
          "max_versions", "How many versions to keep; 0 is the mount's number, or 10.")),
      cas_required_(route.Field<bool>("cas_required",
                                      "Whether every write needs the check-and-set parameter.")),
      delete_version_after_(route.Field<absl::Duration>(
          "delete_version_after",
          "How long after its creation a version deletes itself; 0 is never.")),
      custom_metadata_(route.Field<CustomMetadata>("custom_metadata",
                                                   "Texts of the user's own; only for keys.")) {}

bool MetadataFields::AnyOfMount(const Request& request) const {
  return request.Has(max_versions_) || request.Has(cas_required_) ||
         request.Has(delete_version_after_);
}

bool MetadataFields::AnyOfKey(const Request& request) const {
  return AnyOfMount(request) || request.Has(custom_metadata_);
}

bool MetadataFields::TurnsCasOff(const Request& request) const {
  return request.Has(cas_required_) && !request[cas_required_];
}

absl::Status MetadataFields::CheckForKey(const Request& request) const {
  BELFRY_RETURN_IF_ERROR(CheckDeleteVersionAfter(request[delete_version_after_]));
  return CheckCustomMetadata(request[custom_metadata_]);
}

void MetadataFields::ApplyTo(const Request& request, MountConfig& config) const {
  if (request.Has(max_versions_)) config.max_versions = request[max_versions_];
  if (request.Has(cas_required_)) config.cas_required = request[cas_required_];
  if (request.Has(delete_version_after_))
    config.delete_version_after = request[delete_version_after_];
}

void MetadataFields::ApplyTo(const Request& request, KeyMetadata& metadata) const {
  if (request.Has(max_versions_)) metadata.max_versions = request[max_versions_];
  if (request.Has(cas_required_)) metadata.cas_required = request[cas_required_];
  if (request.Has(delete_version_after_))
    metadata.delete_version_after = request[delete_version_after_];
  if (request.Has(custom_metadata_)) metadata.custom_metadata = request[custom_metadata_];
}

absl::Status MetadataFields::Patch(const Json::Object& patch, KeyMetadata& metadata) {
  KeyMetadata patched = metadata;
  for (const auto& [name, value] : patch) {
    if (name == "max_versions") BELFRY_RETURN_IF_ERROR(PatchMaxVersions(value, patched));
    if (name == "cas_required") BELFRY_RETURN_IF_ERROR(PatchCasRequired(value, patched));
    if (name == "delete_version_after")
      BELFRY_RETURN_IF_ERROR(PatchDeleteVersionAfter(value, patched));
    if (name == "custom_metadata") BELFRY_RETURN_IF_ERROR(PatchCustomMetadata(value, patched));
  }
  metadata = std::move(patched);
  return absl::OkStatus();
}

}  // namespace belfry::kv
