#include <boost/json/object.hpp>
#include <ostream>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_text.h"
#include "cli/table.h"

namespace belfry::cli {
namespace {

constexpr int kSealed = 2;
constexpr int kStatusError = 1;

boost::json::value Member(const boost::json::object& object, const char* name) {
  const auto* value = object.if_contains(name);
  return value == nullptr ? boost::json::value("n/a") : *value;
}

// Whether the server is one of several. Only a detail of the table: a server that does not say so
// is alone.
boost::json::value HighAvailability(Client& client) {
  const auto leader = client.Send("GET", "sys/leader");
  const auto* object = leader.ok() && leader->ok() ? leader->json.if_object() : nullptr;
  const auto* enabled = object == nullptr ? nullptr : object->if_contains("ha_enabled");
  return enabled == nullptr ? boost::json::value(false) : *enabled;
}

std::string StatusTable(const boost::json::object& seal,
                        const boost::json::value& high_availability) {
  const std::pair<const char*, boost::json::value> lines[] = {
      {"Seal Type", Member(seal, "type")},
      {"Initialized", Member(seal, "initialized")},
      {"Sealed", Member(seal, "sealed")},
      {"Total Shares", Member(seal, "n")},
      {"Threshold", Member(seal, "t")},
      {"Version", Member(seal, "version")},
      {"Build Date", Member(seal, "build_date")},
      {"Storage Type", Member(seal, "storage_type")},
      {"Cluster Name", Member(seal, "cluster_name")},
      {"Cluster ID", Member(seal, "cluster_id")},
      {"HA Enabled", high_availability},
  };
  std::vector<std::vector<std::string>> rows = {{"Key", "Value"}};
  for (const auto& [name, value] : lines) rows.push_back({name, OneLine(value)});
  return Columns(rows);
}

}  // namespace

int RunStatus(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "status [flags]",
               .about = R"(Shows whether a server is up and unsealed, and its version.

Exit codes: 0 unsealed; 2 sealed; 1 for every error.)",
               .examples = {"belfry status", "belfry status -format=json"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kStatusError);
  const absl::StatusOr<Answer> answer =
      Demand(*client, "Error checking seal status", "GET", "sys/seal-status");
  if (!answer.ok()) return Fail(terminal, answer.status(), kStatusError);
  const auto* seal = answer->json.if_object();
  const auto* sealed = seal == nullptr ? nullptr : seal->if_contains("sealed");
  if (sealed == nullptr || !sealed->is_bool()) {
    return Fail(terminal,
                "Error checking seal status: the answer does not say whether the server is sealed",
                kStatusError);
  }
  if (client_flags.Json(terminal)) {
    *terminal.out << Indented(answer->body) << std::endl;
  } else {
    *terminal.out << StatusTable(*seal, HighAvailability(*client)) << std::flush;
  }
  return sealed->get_bool() ? kSealed : kSuccess;
}

}  // namespace belfry::cli
