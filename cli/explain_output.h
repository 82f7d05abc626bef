#pragma once

#include <boost/json/object.hpp>
#include <string>

namespace belfry::cli {

// The data of sys/events/explain for people: a table of what is granted and denied and by which
// lines; below it, if so, that no event can arrive at all, or that no mount has the path asked for;
// and the lines that would grant what is not. A member that is missing or of another type shows as
// "n/a". Pure.
std::string ExplanationText(const boost::json::object& data);

}  // namespace belfry::cli
