#include "cli/explain_output.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <vector>

#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

using Row = std::vector<std::string>;

std::string Member(const boost::json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value == nullptr ? "n/a" : OneLine(*value);
}

template <typename Visit>
void ForEachObject(const boost::json::object& object, const char* name, Visit visit) {
  const auto* list = object.if_contains(name);
  if (list == nullptr || !list->is_array()) return;
  for (const auto& value : list->get_array()) {
    if (const auto* element = value.if_object()) visit(*element);
  }
}

// "app:3:6, ops:1:6": policy, line and column of each line that decides.
std::string LinesOf(const boost::json::object& finding) {
  std::string lines;
  ForEachObject(finding, "rules", [&lines](const boost::json::object& rule) {
    lines += Concat(lines.empty() ? "" : ", ", Member(rule, "policy"), ":", Member(rule, "line"),
                    ":", Member(rule, "column"));
  });
  return lines.empty() ? "n/a" : lines;
}

bool Denies(const boost::json::object& finding) {
  return Member(finding, "verdict") == "denied";
}

// What the table does not show: that nothing arrives at all, and why.
std::string NothingArrives(const boost::json::object& data) {
  const auto* mounts = data.if_contains("mounts");
  if (mounts == nullptr || !mounts->is_array()) return "";
  bool rows = false;
  bool arrives = false;
  ForEachObject(data, "mounts", [&](const boost::json::object& mount) {
    ForEachObject(mount, "patterns", [&](const boost::json::object& finding) {
      rows = true;
      if (!Denies(finding)) arrives = true;
    });
  });
  if (arrives) return "";
  return Concat(
      "\nNo event will arrive: no rule of the token grants subscribe to this type in any "
      "mount.\n",
      rows ? "" : "-path=PATH shows which lines would grant the events of a path.\n");
}

// What the server adds to an event's own row, or, where it says nothing, what it means when no
// mount is in it.
std::string NoteOn(const boost::json::object& event) {
  const auto* note = event.if_contains("note");
  if (note != nullptr && note->is_string()) return Concat("\nNote: ", OneLine(*note), ".\n");
  if (!Member(event, "mount").empty()) return "";
  return Concat("\nNo mount that the token may know of has the path ", Member(event, "path"),
                ": a path begins with its mount.\n");
}

// The rows of the table, what follows from them, and what would grant what they deny.
class Explanation {
 public:
  Explanation() : rows_({{"Mount", "Path", "Verdict", "Policy Line", "Reason"}}) {}

  void Note(std::string_view text) { notes_ += text; }

  void Add(const std::string& mount, const boost::json::object& finding) {
    rows_.push_back({mount.empty() ? "n/a" : mount, Member(finding, "path"),
                     Member(finding, "verdict"), LinesOf(finding), Member(finding, "reason")});
    const auto* grant = finding.if_contains("grant");
    if (grant == nullptr || !grant->is_string() || grant->get_string().empty()) return;
    const std::string text(grant->get_string());
    if (std::find(grants_.begin(), grants_.end(), text) == grants_.end()) grants_.push_back(text);
  }

  std::string Text() const {
    std::string text = Columns(rows_) + notes_;
    if (grants_.empty()) return text;
    text += "\nEach of these, added to one of the token's policies, grants what is not granted:\n";
    for (const std::string& grant : grants_) text += Concat("\n", grant);
    return text;
  }

 private:
  std::vector<Row> rows_;
  std::string notes_;
  std::vector<std::string> grants_;
};

}  // namespace

std::string ExplanationText(const boost::json::object& data) {
  Explanation explanation;
  const auto* connect = data.if_contains("connect");
  if (connect != nullptr && connect->is_object()) explanation.Add("", connect->get_object());
  const auto* event = data.if_contains("event");
  if (event != nullptr && event->is_object()) {
    explanation.Add(Member(event->get_object(), "mount"), event->get_object());
    explanation.Note(NoteOn(event->get_object()));
  }
  ForEachObject(data, "mounts", [&explanation](const boost::json::object& mount) {
    const std::string path = Member(mount, "mount");
    ForEachObject(mount, "patterns",
                  [&](const boost::json::object& finding) { explanation.Add(path, finding); });
  });
  explanation.Note(NothingArrives(data));
  return explanation.Text();
}

}  // namespace belfry::cli
