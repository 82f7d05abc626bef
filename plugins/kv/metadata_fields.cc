#include "plugins/kv/metadata_fields.h"

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include "re2/re2.h"

namespace belfry::kv {
namespace {

using CustomMetadata = std::map<std::string, std::string>;

constexpr std::size_t kMaxCustomKeys = 64;
constexpr std::size_t kMaxCustomKeyBytes = 128;
constexpr std::size_t kMaxCustomValueBytes = 512;
constexpr char kMaxVersions[] = "max_versions";
constexpr char kCasRequired[] = "cas_required";
constexpr char kDeleteVersionAfter[] = "delete_version_after";
constexpr char kCustomMetadata[] = "custom_metadata";
constexpr char kCustomPrefix[] = "custom_metadata validation failed: ";

// What Go prints as it is.
bool Printable(const std::string& text) {
  static const RE2* const kPrintable = new RE2(R"([\pL\pM\pN\pP\pS ]*)");
  return RE2::FullMatch(text, *kPrintable);
}

std::string Length(const std::string& of, std::size_t is, const std::string& name,
                   std::size_t most) {
  return "length of " + of + " is " + std::to_string(is) + " but must be 0 < len(" + name +
         ") <= " + std::to_string(most);
}

// What is wrong with one member.
void Examine(const std::string& key, const std::string& value, std::vector<std::string>& wrong) {
  const std::string quoted = Json(key).Dump();
  if (key.empty() || key.size() > kMaxCustomKeyBytes)
    wrong.push_back(Length("key " + quoted, key.size(), "key", kMaxCustomKeyBytes));
  if (value.empty() || value.size() > kMaxCustomValueBytes) {
    wrong.push_back(Length("value for key " + quoted, value.size(), "value", kMaxCustomValueBytes));
  }
  if (!Printable(key))
    wrong.push_back("key " + quoted + " (" + key + ") contains unprintable characters");
  if (!Printable(value))
    wrong.push_back("value for key " + quoted + " contains unprintable characters");
}

absl::Status Refusal(const std::vector<std::string>& wrong) {
  if (wrong.empty()) return absl::OkStatus();
  std::string text =
      std::to_string(wrong.size()) + (wrong.size() == 1 ? " error" : " errors") + " occurred:";
  for (const std::string& what : wrong) text += std::string("\n\t* ") + kCustomPrefix + what;
  return absl::InvalidArgumentError(text + "\n\n");
}

absl::Status CheckCustomMetadata(const CustomMetadata& custom) {
  if (custom.size() > kMaxCustomKeys) {
    return Refusal({"payload must contain at most " + std::to_string(kMaxCustomKeys) +
                    " keys, provided " + std::to_string(custom.size())});
  }
  std::vector<std::string> wrong;
  for (const auto& [key, value] : custom) Examine(key, value, wrong);
  return Refusal(wrong);
}

// The members as texts; in a patch without those that are null.
absl::StatusOr<CustomMetadata> Texts(const Json::Object& members, Operation operation) {
  CustomMetadata texts;
  for (const auto& [name, member] : members) {
    if (member.is_null() && operation == Operation::kPatch) continue;
    absl::StatusOr<std::string> text = ConvertTo<std::string>(member);
    if (!text.ok()) {
      return absl::InvalidArgumentError(
          kCustomPrefix +
          std::string(text.status().message().data(), text.status().message().size()));
    }
    texts.emplace(name, *std::move(text));
  }
  return texts;
}

// As many as Vault has bits for.
constexpr std::int64_t kMostVersions = std::numeric_limits<std::uint32_t>::max();

// Whether the request has the field, be it null.
bool Names(const Request& request, const char* field) {
  return request.data().contains(field);
}

}  // namespace

MountFields::MountFields(Route& route)
    : max_versions_(route.Field<std::int64_t>(
          kMaxVersions, "How many versions to keep; 0 is the mount's number, or 10.")),
      cas_required_(route.Field<bool>(kCasRequired,
                                      "Whether every write needs the check-and-set parameter.")),
      delete_version_after_(route.Field<absl::Duration>(
          kDeleteVersionAfter,
          "How long after its creation a version deletes itself; 0 is never.")) {}

bool MountFields::AnyOf(const Request& request) const {
  return Names(request, kMaxVersions) || Names(request, kCasRequired) ||
         request.Has(delete_version_after_);
}

bool MountFields::TurnsCasOff(const Request& request) const {
  return Names(request, kCasRequired) && !request[cas_required_];
}

absl::Duration MountFields::DeleteVersionAfter(const Request& request) const {
  return absl::Trunc(request[delete_version_after_], absl::Seconds(1));
}

absl::Status MountFields::CheckMaxVersions(const Request& request) const {
  if (request[max_versions_] >= 0 && request[max_versions_] <= kMostVersions)
    return absl::OkStatus();
  const bool patches = request.operation() == Operation::kPatch;
  return absl::InvalidArgumentError(std::string(patches ? "Field validation failed: " : "") +
                                    "error converting input for field \"max_versions\": it must be "
                                    "from 0 to " +
                                    std::to_string(kMostVersions));
}

void MountFields::ApplyTo(const Request& request, MountConfig& config) const {
  if (Names(request, kMaxVersions)) config.max_versions = request[max_versions_];
  if (Names(request, kCasRequired)) config.cas_required = request[cas_required_];
  // However negative, it says no more than that.
  if (request.Has(delete_version_after_))
    config.delete_version_after = std::max(DeleteVersionAfter(request), -absl::Seconds(1));
}

void MountFields::ApplyTo(const Request& request, KeyMetadata& metadata) const {
  if (Names(request, kMaxVersions)) metadata.max_versions = request[max_versions_];
  if (Names(request, kCasRequired)) metadata.cas_required = request[cas_required_];
  if (request.Has(delete_version_after_))
    metadata.delete_version_after = DeleteVersionAfter(request);
}

KeyFields::KeyFields(Route& route)
    : shared_(route),
      custom_metadata_(route.Field<Json::Object>(kCustomMetadata,
                                                 "Texts of the user's own, each under a name.")) {}

bool KeyFields::AnyOf(const Request& request) const {
  return shared_.AnyOf(request) || Names(request, kCustomMetadata);
}

absl::Status KeyFields::Check(const Request& request) const {
  if (request.operation() != Operation::kPatch)
    BELFRY_RETURN_IF_ERROR(shared_.CheckMaxVersions(request));
  const absl::Duration after = shared_.DeleteVersionAfter(request);
  if (after < absl::ZeroDuration()) {
    const bool patches = request.operation() == Operation::kPatch;
    return absl::InvalidArgumentError(std::string(patches ? "Field validation failed: " : "") +
                                      "error converting input for field \"delete_version_after\": "
                                      "cannot provide negative value '" +
                                      std::to_string(absl::ToInt64Seconds(after)) + "'");
  }
  BELFRY_ASSIGN_OR_RETURN(const CustomMetadata custom,
                          Texts(request[custom_metadata_], request.operation()));
  return CheckCustomMetadata(custom);
}

absl::Status KeyFields::CheckPatch(const Request& request) const {
  for (const auto& [name, member] : request[custom_metadata_]) {
    if (!member.is_null() && member.if_string() == nullptr)
      return absl::InvalidArgumentError(kCustomPrefix + std::string("a patch takes only texts"));
  }
  return shared_.CheckMaxVersions(request);
}

void KeyFields::ApplyTo(const Request& request, KeyMetadata& metadata) const {
  shared_.ApplyTo(request, metadata);
  if (!Names(request, kCustomMetadata)) return;
  metadata.custom_metadata = Texts(request[custom_metadata_], request.operation()).value();
}

void KeyFields::Patch(const Request& request, KeyMetadata& metadata) const {
  shared_.ApplyTo(request, metadata);
  const auto given = request.data().find(kCustomMetadata);
  if (given == request.data().end()) return;
  CustomMetadata custom;
  if (!given->second.is_null()) custom = metadata.custom_metadata.value_or(CustomMetadata());
  for (const auto& [name, member] : request[custom_metadata_]) {
    if (member.is_null()) {
      custom.erase(name);
    } else {
      custom[name] = *member.if_string();
    }
  }
  metadata.custom_metadata = std::move(custom);
}

}  // namespace belfry::kv
