#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/cursor.h"
#include "cli/explain_command.h"
#include "cli/follow_events.h"
#include "cli/path.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

// Without the white space and the slashes around it.
std::string CleanNamespace(std::string_view name) {
  name = Trimmed(name);
  while (name.starts_with('/')) name.remove_prefix(1);
  while (name.ends_with('/')) name.remove_suffix(1);
  return std::string(name);
}

// An empty value comes from a variable that a script has not set.
absl::Status CheckValues(const Flags& flags, const FollowSettings& settings) {
  const std::string& after = settings.wanted.after;
  if (flags.Given("after") && !IsStartingPoint(after)) {
    return absl::InvalidArgumentError(
        Concat("invalid value \"", after,
               "\" for flag -after: it must be earliest, latest or a cursor, for example "
               "3f9ac2d41e07b856-42"));
  }
  if (flags.Given("cursor-file") && settings.cursor_file.empty())
    return absl::InvalidArgumentError("-cursor-file must not be empty: leave it out, or name one");
  if (flags.Given("exec") && settings.command.empty())
    return absl::InvalidArgumentError("-exec must not be empty: leave it out, or give a command");
  return absl::OkStatus();
}

int Subscribe(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "events subscribe [flags] TYPE",
       .about = R"(Prints the events of a type as they happen, one JSON object a line, until the
server ends the stream or the reader of the output goes away. Only events that the
policies of the token let it see are among them; "belfry events explain" says why.

In TYPE, * stands for any text, also for none: 'kv*' is every event of kv, '*' every
event. Quote it, or the shell takes it for file names. A type that no plugin sends, for
example a misspelt one, is no error: nothing arrives.

With -after or -cursor-file it resumes: when the connection is lost or closed, it says
why on standard error and reconnects after the last event, after 1 to 30 seconds, until
the server refuses (a 4xx status other than 429). Each event then has a "cursor". Where
events are missing, for example because the server no longer keeps them, a line of the
type "belfry.gap" stands for them: read again what you keep.

With -exec each event is passed to a command instead. The next one waits until it exits;
if it does not exit with 0, the subscription ends, and its event is not counted as shown.
A command that takes minutes may cost the connection: resume then.

Exit codes: 0 when the reader of the output has gone; 1 when the server has refused or
ended the stream, the command of -exec has failed, or the cursor file cannot be used; 2
when the server cannot be reached or is lost. With -after or -cursor-file, a stream that
has begun ends with 0 or 1.)",
       .examples = {"belfry events subscribe 'kv*'",
                    "belfry events subscribe -filter='data_path matches "
                    "\"^secret/data/app/\"' kv-v2/data-write",
                    "belfry events subscribe '*' | head -n 1",
                    "belfry events subscribe -cursor-file=kv.cursor -exec='./changed.sh' 'kv*'"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered, ClientFlags::Output::kJsonOnly);
  FollowSettings settings;
  Subscription& wanted = settings.wanted;
  std::vector<std::string> namespaces;
  flags.Add("filter", "Only events for which this expression holds.", &wanted.filter);
  flags.Add("namespaces", "Also events of namespaces that match this pattern; may be repeated.",
            &namespaces);
  flags.Add("after",
            "Begin after the event with this cursor, with the oldest that the server keeps "
            "(earliest), or with the next (latest), and resume.",
            &wanted.after);
  flags.Add("cursor-file",
            "File for the cursor of the last event that was shown. If it holds one, begin there, "
            "whatever -after says; if not, at -after, or latest. Resumes, too.",
            &settings.cursor_file);
  flags.Add("exec",
            "Command to run with /bin/sh for each event, which is a line on its standard input. "
            "BELFRY_EVENT_TYPE and BELFRY_CURSOR are in its environment.",
            &settings.command);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 1, 1, terminal, &exit_code)) return exit_code;
  absl::StatusOr<std::string> type = CleanPath(flags.arguments().front(), "TYPE");
  if (!type.ok()) return Fail(terminal, type.status(), kUsageError);
  wanted.type = *std::move(type);
  wanted.filter = std::string(Trimmed(wanted.filter));
  for (const std::string& name : namespaces) wanted.namespaces.push_back(CleanNamespace(name));
  if (absl::Status invalid = CheckValues(flags, settings); !invalid.ok())
    return Fail(terminal, invalid, kUsageError);

  const absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  return FollowEvents(client->connection(), settings, terminal);
}

}  // namespace

int RunEvents(Terminal& terminal, const std::vector<std::string>& arguments) {
  return Dispatch("events ",
                  {{"subscribe", "Show events as they happen, one JSON line each", Subscribe},
                   {"explain", "Show which events a token receives, and why", RunExplain}},
                  terminal, arguments);
}

}  // namespace belfry::cli
