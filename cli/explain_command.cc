#include "cli/explain_command.h"

#include <ostream>
#include <utility>

#include "cli/command.h"
#include "cli/explain_output.h"
#include "cli/json_text.h"
#include "cli/path.h"
#include "cli/text.h"

namespace belfry::cli {

int RunExplain(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "events explain [flags] TYPE",
       .about = R"(Shows which events a subscription to a type would bring, and which line of which
policy grants or denies them. In TYPE, * stands for any text.

Only policies are looked at: a type that no plugin sends, for example a misspelt one, is
explained like any other. The types of kv begin with kv-v1/ and kv-v2/.)",
       .examples = {"belfry events explain 'kv*'",
                    "belfry events explain -path=secret/data/app 'kv-v2/data-write'"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  std::string path;
  std::string accessor;
  flags.Add("path", "Only events of this path, which begins with its mount.", &path);
  flags.Add("accessor", "Of the token with this accessor; needs sudo.", &accessor);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 1, 1, terminal, &exit_code)) return exit_code;
  const absl::StatusOr<std::string> type = CleanPath(flags.arguments().front(), "TYPE");
  if (!type.ok()) return Fail(terminal, type.status(), kUsageError);
  // As of a script whose variable is not set: the answer would be about something else.
  for (const auto& [name, value] : {std::pair("path", &path), std::pair("accessor", &accessor)}) {
    if (flags.Given(name) && value->empty())
      return Fail(terminal, Concat("-", name, " must not be empty: leave it out, or name one"),
                  kUsageError);
  }
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  std::string query;
  if (!accessor.empty()) query = Concat("accessor=", EncodeQuery(accessor));
  if (!path.empty()) query += Concat(query.empty() ? "" : "&", "path=", EncodeQuery(path));
  const absl::StatusOr<Answer> answer = Demand(*client, "Error explaining events", "GET",
                                               Concat("sys/events/explain/", *type), query);
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  const auto* data = answer->data();
  if (data == nullptr) {
    return Fail(terminal, "Error explaining events: the answer has no data", kRequestError);
  }
  if (client_flags.Json(terminal)) {
    *terminal.out << JsonText(*data) << std::endl;
  } else {
    *terminal.out << ExplanationText(*data) << std::flush;
  }
  return kSuccess;
}

}  // namespace belfry::cli
