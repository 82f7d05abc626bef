#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "server/access/hcl.h"

namespace belfry::access::hcl {

// Parse for a text that is a JSON object. Strict: what RFC 8259 forbids is an error.
absl::StatusOr<std::vector<Item>> ParseJson(std::string_view text);

}  // namespace belfry::access::hcl
