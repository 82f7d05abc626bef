#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <ostream>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_text.h"
#include "cli/path.h"
#include "cli/table.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

int Enable(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "secrets enable [flags] TYPE",
               .about = "Mounts a secrets engine. TYPE is the name of a plugin, for example kv.",
               .examples = {"belfry secrets enable -version=2 kv",
                            "belfry secrets enable -path=team -description='Of the team' kv"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  std::string path, version, description;
  std::vector<std::string> options;
  flags.Add("path", "Where to mount it. Default: the type's name.", &path);
  flags.Add("version", "Version of the engine, for example 2 for kv.", &version);
  flags.Add("description", "A text for people.", &description);
  flags.Add("options", "KEY=VALUE for the engine; may be repeated.", &options);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 1, 1, terminal, &exit_code)) return exit_code;
  const std::string& type = flags.arguments().front();
  const absl::StatusOr<std::string> at =
      path.empty() ? CleanPath(type, "TYPE") : CleanPath(path, "-path");
  if (!at.ok()) return Fail(terminal, at.status(), kUsageError);
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);

  boost::json::object body{{"type", type}, {"description", description}};
  boost::json::object engine_options;
  for (const std::string& option : options) {
    const std::size_t equals = option.find('=');
    if (equals == std::string::npos)
      return Fail(terminal, Concat("-options must be KEY=VALUE: \"", option, "\""), kUsageError);
    engine_options[option.substr(0, equals)] = option.substr(equals + 1);
  }
  if (!version.empty()) engine_options["version"] = version;
  if (!engine_options.empty()) body["options"] = std::move(engine_options);
  const auto answer = Demand(*client, "Error enabling", "POST", Concat("sys/mounts/", *at), "",
                             boost::json::serialize(body));
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  ShowWarnings(terminal, *answer);
  *terminal.out << "Success! Enabled the " << type << " secrets engine at: " << *at << "/"
                << std::endl;
  return kSuccess;
}

int Disable(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "secrets disable [flags] PATH",
               .about = "Takes a secrets engine out of service and deletes all of its data.",
               .examples = {"belfry secrets disable team/"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 1, 1, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  const absl::StatusOr<std::string> path = CleanPath(flags.arguments().front(), "PATH");
  if (!path.ok()) return Fail(terminal, path.status(), kUsageError);
  const auto answer = Demand(*client, Concat("Error disabling secrets engine at ", *path, "/"),
                             "DELETE", Concat("sys/mounts/", *path));
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  *terminal.out << "Success! Disabled the secrets engine (if it existed) at: " << *path << "/"
                << std::endl;
  return kSuccess;
}

int Move(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "secrets move [flags] SOURCE DESTINATION",
               .about =
                   "Moves a secrets engine to another path, with its data. Its leases are "
                   "revoked, and policies\nthat name the old path do not hold for the new one.",
               .examples = {"belfry secrets move team/ groups/team/"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 2, 2, terminal, &exit_code)) return exit_code;
  const absl::StatusOr<std::string> from = CleanPath(flags.arguments()[0], "SOURCE");
  if (!from.ok()) return Fail(terminal, from.status(), kUsageError);
  const absl::StatusOr<std::string> to = CleanPath(flags.arguments()[1], "DESTINATION");
  if (!to.ok()) return Fail(terminal, to.status(), kUsageError);
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  const std::string what = Concat("secrets engine ", *from, "/ to ", *to, "/");
  const auto answer =
      Demand(*client, Concat("Error moving ", what), "POST", "sys/remount", "",
             boost::json::serialize(boost::json::object{{"from", *from}, {"to", *to}}));
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  ShowWarnings(terminal, *answer);
  *terminal.out << "Success! Moved the " << what << std::endl;
  return kSuccess;
}

std::string MountTable(const boost::json::object& mounts) {
  const auto text = [](const boost::json::object& mount, const char* name) -> std::string {
    const auto* value = mount.if_contains(name);
    const std::string line = value == nullptr || value->is_null() ? "" : OneLine(*value);
    return line.empty() ? "n/a" : ShownOnOneLine(line);
  };
  std::map<std::string, std::vector<std::string>> sorted;
  for (const auto& [path, value] : mounts) {
    const auto* mount = value.if_object();
    if (mount == nullptr) continue;
    const std::string name(path);
    sorted[name] = {ShownOnOneLine(name), text(*mount, "type"), text(*mount, "accessor"),
                    text(*mount, "description")};
  }
  std::vector<std::vector<std::string>> rows = {{"Path", "Type", "Accessor", "Description"}};
  for (auto& [path, row] : sorted) rows.push_back(std::move(row));
  return Columns(rows);
}

int List(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "secrets list [flags]",
               .about = "Shows what is mounted, and where.",
               .examples = {"belfry secrets list", "belfry secrets list -format=json"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  const auto answer = Demand(*client, "Error listing secrets engines", "GET", "sys/mounts");
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  const auto* mounts = answer->data();
  if (mounts == nullptr)
    return Fail(terminal, "Error listing secrets engines: the answer has no data", kRequestError);
  if (client_flags.Json(terminal)) {
    *terminal.out << JsonText(*mounts) << std::endl;
  } else {
    *terminal.out << MountTable(*mounts) << std::flush;
  }
  return kSuccess;
}

}  // namespace

int RunSecrets(Terminal& terminal, const std::vector<std::string>& arguments) {
  return Dispatch(
      "secrets ",
      {{"enable", "Mount a secrets engine", Enable},
       {"list", "Show what is mounted", List},
       {"move", "Move a secrets engine to another path", Move},
       {"disable", "Take a secrets engine out of service and delete its data", Disable}},
      terminal, arguments);
}

}  // namespace belfry::cli
