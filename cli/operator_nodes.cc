#include <ostream>

#include "cli/json_text.h"
#include "cli/operator_commands.h"
#include "cli/operator_output.h"

namespace belfry::cli {

int RunOperatorMembers(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "operator members [flags]",
               .about = "Shows the nodes of a server, and which of them is active.",
               .examples = {"belfry operator members"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  const auto answer =
      DemandObject(*client, "Error reading the nodes' status", "GET", "sys/ha-status");
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  const boost::json::object& status =
      answer->data() != nullptr ? *answer->data() : answer->json.get_object();
  if (client_flags.Json(terminal)) {
    *terminal.out << JsonText(MembersJson(status)) << std::endl;
  } else {
    *terminal.out << MembersText(status) << std::flush;
  }
  return kSuccess;
}

int RunOperatorStepDown(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator step-down [flags]",
       .about =
           R"(Asks the active node to let another become active. A server of one node goes on as it is. Needs
sudo on sys/step-down.)",
       .examples = {"belfry operator step-down"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  const auto answer = Demand(*client, "Error stepping down", "PUT", "sys/step-down");
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  *terminal.out << "Success! Stepped down: " << client->connection().Origin() << std::endl;
  return kSuccess;
}

}  // namespace belfry::cli
