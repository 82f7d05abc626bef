#include "cli/table.h"

#include <algorithm>
#include <map>

#include "cli/json_text.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

constexpr std::size_t kGap = 4;

void AppendRow(const std::vector<std::string>& row, const std::vector<std::size_t>& widths,
               std::string* out) {
  std::string line;
  for (std::size_t column = 0; column < row.size(); ++column) {
    line += row[column];
    if (column + 1 < row.size()) line.append(widths[column] + kGap - row[column].size(), ' ');
  }
  *out += line + "\n";
}

std::string ShownAs(const boost::json::value& value) {
  const std::string text = OneLine(value);
  return text.empty() ? "n/a" : text;
}

std::vector<std::vector<std::string>> KeyValueRows(const boost::json::object& object) {
  std::map<std::string, std::string> sorted;
  for (const auto& [key, value] : object) sorted[std::string(key)] = ShownAs(value);
  std::vector<std::vector<std::string>> rows = {{"Key", "Value"}};
  for (const auto& [key, value] : sorted) rows.push_back({key, value});
  return rows;
}

}  // namespace

std::string Columns(const std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) return "";
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], row[column].size());
  }
  std::vector<std::string> dashes;
  for (const std::string& title : rows.front()) dashes.push_back(std::string(title.size(), '-'));

  std::string out;
  AppendRow(rows.front(), widths, &out);
  AppendRow(dashes, widths, &out);
  for (std::size_t i = 1; i < rows.size(); ++i) AppendRow(rows[i], widths, &out);
  return out;
}

std::string KeyValueTable(const boost::json::object& object) {
  return Columns(KeyValueRows(object));
}

std::string Heading(std::string_view title, std::size_t width) {
  const std::size_t spare = width > title.size() + 2 ? width - title.size() - 2 : 0;
  const std::string side(std::max<std::size_t>(1, spare / 2), '=');
  return Concat(side, " ", title, " ", side, "\n");
}

std::string TitledTable(std::string_view title, const boost::json::object& object) {
  const std::string table = KeyValueTable(object);
  return Heading(title, table.find('\n')) + table;
}

}  // namespace belfry::cli
