#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "belfry/plugin.h"
#include "plugins/kv/key_metadata.h"

namespace belfry::kv {

// The fields that `config` and `metadata/<key>` share, and what they do. A value: handlers keep
// copies.
class MetadataFields {
 public:
  explicit MetadataFields(Route& route);

  // Whether the request gave any field of a mount, or of a key.
  bool AnyOfMount(const Request& request) const;
  bool AnyOfKey(const Request& request) const;
  bool TurnsCasOff(const Request& request) const;
  // InvalidArgument for what a key does not take: a negative delete_version_after, custom metadata
  // over its limits.
  absl::Status CheckForKey(const Request& request) const;
  // Sets what the request gave; the rest stays.
  void ApplyTo(const Request& request, MountConfig& config) const;
  void ApplyTo(const Request& request, KeyMetadata& metadata) const;

  // Applies a merge patch of these fields (null: back to the default). InvalidArgument, with
  // nothing changed, when one does not fit.
  static absl::Status Patch(const Json::Object& patch, KeyMetadata& metadata);

 private:
  FieldKey<std::int64_t> max_versions_;
  FieldKey<bool> cas_required_;
  FieldKey<absl::Duration> delete_version_after_;
  FieldKey<std::map<std::string, std::string>> custom_metadata_;
};

}  // namespace belfry::kv
