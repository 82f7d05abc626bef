#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "absl/status/statusor.h"

namespace belfry::cli {

// The same JSON with one value a line and two spaces a level. Works on the text, so that numbers
// stay as the server wrote them.
std::string Indented(std::string_view json);

// The value of a JSON text, in which numbers stay as they were written: one that an int64
// does not give back to the digit is a string that begins with a byte that no JSON text can hold.
// Only what this page declares writes such values. InvalidArgument with the place of the fault.
absl::StatusOr<boost::json::value> ParseJson(std::string_view text);

// The same value as JSON, without white space.
std::string CompactJson(const boost::json::value& value);

// A value as Indented JSON.
std::string JsonText(const boost::json::value& value);

// A value as one line: a string as it is, null as "<nil>", the rest as compact JSON.
std::string OneLine(const boost::json::value& value);

// The member of an object as one line; "" where there is none, or null.
std::string MemberText(const boost::json::object& object, std::string_view name);

}  // namespace belfry::cli
