#pragma once

#include <cstdint>
#include <string>

#include "belfry/plugin.h"
#include "plugins/kv/key_metadata.h"

namespace belfry::kv {

// The fields that `config` and `metadata/<key>` share, and what they do. A value: handlers keep
// copies. Where a field is null, its type's zero is meant, but a null duration means nothing.
class MountFields {
 public:
  explicit MountFields(Route& route);

  // Whether the request gave any of them.
  bool AnyOf(const Request& request) const;
  bool TurnsCasOff(const Request& request) const;
  // Sets what the request gave; the rest stays. Only after CheckMaxVersions.
  void ApplyTo(const Request& request, MountConfig& config) const;
  void ApplyTo(const Request& request, KeyMetadata& metadata) const;

  // In whole seconds; zero when it was not given.
  absl::Duration DeleteVersionAfter(const Request& request) const;
  // InvalidArgument for a number of versions that is negative or more than 32 bits can hold. Vault
  // takes the lowest 32 bits of it, so that -1 keeps four billion versions.
  absl::Status CheckMaxVersions(const Request& request) const;

 private:
  FieldKey<std::int64_t> max_versions_;
  FieldKey<bool> cas_required_;
  FieldKey<absl::Duration> delete_version_after_;
};

// All that `metadata/<key>` takes. A value, too.
class KeyFields {
 public:
  explicit KeyFields(Route& route);

  bool AnyOf(const Request& request) const;
  bool TurnsCasOff(const Request& request) const { return shared_.TurnsCasOff(request); }
  // InvalidArgument for what a key does not take: a negative delete_version_after, custom metadata
  // over its limits, and in a write what CheckMaxVersions refuses. In a patch null is taken, for it
  // removes.
  absl::Status Check(const Request& request) const;
  // InvalidArgument for what only a write takes, numbers as custom metadata, and for what
  // CheckMaxVersions refuses.
  absl::Status CheckPatch(const Request& request) const;
  // Sets what the request gave; the rest stays. Only after Check.
  void ApplyTo(const Request& request, KeyMetadata& metadata) const;
  // The same as a merge patch. Only after CheckPatch.
  void Patch(const Request& request, KeyMetadata& metadata) const;

 private:
  MountFields shared_;
  FieldKey<Json::Object> custom_metadata_;
};

}  // namespace belfry::kv
