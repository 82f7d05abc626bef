#pragma once

#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace belfry::cli {

// What the kv commands print for people; each text ends with a newline.

// The secret's path and the version that a write has made.
std::string VersionTables(std::string_view path, const boost::json::object& version);
// The secret's path, its metadata and its data; no data when the version is deleted.
std::string SecretTables(std::string_view path, const boost::json::object& data);
// A secret without versions.
std::string PlainTable(const boost::json::object& secret);
// The settings of a secret and each of its versions.
std::string MetadataTables(std::string_view path, const boost::json::object& metadata);
// One name a line.
std::string KeyList(const boost::json::array& keys);

}  // namespace belfry::cli
