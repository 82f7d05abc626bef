#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

namespace belfry::cli {

// Text for people, in Vault's shapes, each with its final newline.

// How many columns of a terminal a text takes: a combining mark none, a wide East Asian character
// two; a byte that is no UTF-8 one.
std::size_t DisplayWidth(std::string_view text);

// What others wrote, as it is shown: it moves no cursor, clears no screen and turns no text around.
// Lines and tabs stay.
std::string Shown(std::string_view text);
// The same as one line, for a cell beside which others stand.
std::string ShownOnOneLine(std::string_view text);

// What a table has for an empty text, and else the text.
std::string OrNotAvailable(std::string text);

// Columns four spaces apart, with a dashed line under the first row.
std::string Columns(std::vector<std::vector<std::string>> rows);

// The same without the line: the first row is one like the others.
std::string Aligned(std::vector<std::vector<std::string>> rows);

// "Key  Value", one line a member, sorted by key.
std::string KeyValueTable(const boost::json::object& object);

// "== Data ==" and such, over something `width` columns wide: as many signs on both sides, wider
// rather than narrower, and two where there is no room for any.
std::string Heading(std::string_view title, std::size_t width);

// The heading and the key-value table below it.
std::string TitledTable(std::string_view title, const boost::json::object& object);

}  // namespace belfry::cli
