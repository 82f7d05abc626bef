#include "cli/table.h"

#include <utf8proc.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_format.h"
#include "cli/json_text.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

constexpr std::size_t kGap = 4;

// Whether it would do something to the terminal: controls, and what changes the direction of text.
bool Controls(utf8proc_int32_t code) {
  return (utf8proc_category(code) == UTF8PROC_CATEGORY_CC && code != '\n' && code != '\t') ||
         (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

bool IsPlainAscii(char c) {
  return (' ' <= c && c <= '~') || c == '\n' || c == '\t';
}

void AppendRow(const std::vector<std::string>& row, const std::vector<std::size_t>& widths,
               std::string* out) {
  std::string line;
  for (std::size_t column = 0; column < row.size(); ++column) {
    line += row[column];
    if (column + 1 < row.size())
      line.append(widths[column] + kGap - DisplayWidth(row[column]), ' ');
  }
  *out += line + "\n";
}

std::vector<std::vector<std::string>> KeyValueRows(const boost::json::object& object) {
  std::map<std::string, std::string> sorted;
  for (const auto& [key, value] : object) sorted[std::string(key)] = OrNotAvailable(OneLine(value));
  std::vector<std::vector<std::string>> rows = {{"Key", "Value"}};
  for (const auto& [key, value] : sorted) rows.push_back({key, value});
  return rows;
}

}  // namespace

std::string Shown(std::string_view text) {
  // Most texts are plain ones, and there may be a hundred thousand a second.
  if (std::ranges::all_of(text, IsPlainAscii)) return std::string(text);
  std::string shown;
  while (!text.empty()) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                         static_cast<utf8proc_ssize_t>(text.size()), &code);
    const std::string_view character =
        text.substr(0, length > 0 ? static_cast<std::size_t>(length) : 1);
    if (length <= 0) {
      shown += absl::StrFormat("\\x%02x", static_cast<unsigned char>(text.front()));
    } else if (Controls(code)) {
      shown += code < 0x80 ? absl::StrFormat("\\x%02x", code) : absl::StrFormat("\\u%04x", code);
    } else {
      shown += character;
    }
    text.remove_prefix(character.size());
  }
  return shown;
}

std::string ShownOnOneLine(std::string_view text) {
  std::string line;
  for (const char c : Shown(text)) line += c == '\n' ? "\\n" : std::string(1, c);
  return line;
}

std::size_t DisplayWidth(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    utf8proc_int32_t code_point = 0;
    const utf8proc_ssize_t length =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                         static_cast<utf8proc_ssize_t>(text.size()), &code_point);
    width += length > 0 ? static_cast<std::size_t>(utf8proc_charwidth(code_point)) : 1;
    text.remove_prefix(length > 0 ? static_cast<std::size_t>(length) : 1);
  }
  return width;
}

std::string OrNotAvailable(std::string text) {
  return text.empty() ? "n/a" : text;
}

std::string Columns(std::vector<std::vector<std::string>> rows) {
  if (rows.empty()) return "";
  std::vector<std::string> dashes;
  for (const std::string& title : rows.front())
    dashes.push_back(std::string(DisplayWidth(Shown(title)), '-'));
  rows.insert(rows.begin() + 1, std::move(dashes));
  return Aligned(std::move(rows));
}

std::string Aligned(std::vector<std::vector<std::string>> rows) {
  if (rows.empty()) return "";
  for (std::vector<std::string>& row : rows) {
    for (std::string& cell : row) cell = Shown(cell);
  }
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t column = 0; column < row.size(); ++column)
      widths[column] = std::max(widths[column], DisplayWidth(row[column]));
  }
  std::string out;
  for (const auto& row : rows) AppendRow(row, widths, &out);
  return out;
}

std::string KeyValueTable(const boost::json::object& object) {
  return Columns(KeyValueRows(object));
}

std::string Heading(std::string_view title, std::size_t width) {
  const std::size_t text = DisplayWidth(title) + 2;
  const std::string side(width > text ? (width - text + 1) / 2 : 2, '=');
  return Concat(side, " ", title, " ", side, "\n");
}

std::string TitledTable(std::string_view title, const boost::json::object& object) {
  std::size_t longest_key = 0;
  for (const auto& member : object) {
    const boost::json::string_view key = member.key();
    longest_key = std::max(longest_key, DisplayWidth({key.data(), key.size()}));
  }
  // As if "Key" stood over nothing: that is how wide Vault takes its table to be.
  return Heading(title, longest_key + kGap + std::string_view("Value").size()) +
         KeyValueTable(object);
}

}  // namespace belfry::cli
