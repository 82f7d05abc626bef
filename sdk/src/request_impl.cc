#include "sdk/src/request_impl.h"

#include <cstdio>
#include <cstdlib>

namespace belfry::internal {

std::string_view RequestImpl::MountOption(std::string_view name) const {
  const auto it = mount_.options.find(std::string(name));
  return it == mount_.options.end() ? std::string_view() : std::string_view(it->second);
}

std::size_t RequestImpl::Mine(FieldId field) const {
  if (route_ != nullptr && field.route == route_) return field.index;
  const auto* other = static_cast<const RouteImpl*>(field.route);
  if (route_ == nullptr) {
    std::fprintf(stderr,
                 "belfry: a renewal or revocation asked for a field of the path \"%s\"; it has no "
                 "fields\n",
                 other->pattern().c_str());
  } else {
    std::fprintf(stderr,
                 "belfry: a handler of the path \"%s\" asked for a field of the path \"%s\"\n",
                 route_->pattern().c_str(), other->pattern().c_str());
  }
  std::abort();
}

}  // namespace belfry::internal
