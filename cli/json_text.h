#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace belfry::cli {

// The same JSON with one value a line and two spaces a level. Works on the text, so that numbers
// stay as the server wrote them.
std::string Indented(std::string_view json);

// A value as Indented JSON.
std::string JsonText(const boost::json::value& value);

// A value as one line: a string as it is, null as "<nil>", the rest as compact JSON.
std::string OneLine(const boost::json::value& value);

}  // namespace belfry::cli
