#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belfry::access {

// What a request wants to do with a path. The names are those of policies. (vault-api-and-events
// 5.1)
enum class Capability {
  kDeny,
  kCreate,
  kRead,
  kUpdate,
  kDelete,
  kList,
  kSudo,
  kPatch,
  kSubscribe,
  kRecover
};

// "read"
std::string_view NameOf(Capability capability);
// Lower case only.
std::optional<Capability> CapabilityNamed(std::string_view name);

// A set of capabilities. A value; cheap to copy.
class CapabilitySet {
 public:
  void Add(Capability capability) { bits_ |= Bit(capability); }
  void Add(CapabilitySet others) { bits_ |= others.bits_; }
  bool Has(Capability capability) const { return (bits_ & Bit(capability)) != 0; }
  bool empty() const { return bits_ == 0; }
  // In lexical order.
  std::vector<std::string> Names() const;
  friend bool operator==(CapabilitySet, CapabilitySet) = default;

 private:
  static std::uint32_t Bit(Capability capability) { return 1u << static_cast<int>(capability); }
  std::uint32_t bits_ = 0;
};

}  // namespace belfry::access
