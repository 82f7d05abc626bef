#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "server/access/policy.h"

namespace belfry::access {

// Whether a policy's rules let a request with these parameters through. Names compare without
// regard to case, but what is required has to be there in lower case, as endpoints read it; a text
// in a rule may begin or end with '*'; a number equals a number of the same value. A list that was
// given is allowed when it, or all it holds, is allowed; it is denied when it, or one of what it
// holds, is denied. Pure. (vault-api-and-events 5.3)
bool ParametersAllowed(const ParameterRules& allowed, const ParameterRules& denied,
                       const std::vector<std::string>& required,
                       const boost::json::object& parameters);

}  // namespace belfry::access
