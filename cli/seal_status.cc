#include "cli/seal_status.h"

#include <ostream>
#include <utility>

#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

// Only a detail: a server that does not say whether it is one of several is alone.
LeaderFacts AskForLeader(Client& client) {
  LeaderFacts facts;
  const auto answer = client.Send("GET", "sys/leader");
  const auto* leader = answer.ok() && answer->ok() ? answer->json.if_object() : nullptr;
  if (leader == nullptr) return facts;
  if (const auto* enabled = leader->if_contains("ha_enabled")) facts.ha_enabled = *enabled;
  if (const auto* since = leader->if_contains("active_time")) facts.active_time = *since;
  return facts;
}

}  // namespace

std::string SealStatusTable(const boost::json::object& seal, const LeaderFacts& leader) {
  const auto member = [&seal](const char* name) { return OrNotAvailable(MemberText(seal, name)); };
  std::vector<std::vector<std::string>> rows = {{"Key", "Value"}, {"Seal Type", member("type")}};
  const bool recovery = member("recovery_seal") == "true";
  if (recovery) rows.push_back({"Recovery Seal Type", member("recovery_seal_type")});
  rows.push_back({"Initialized", member("initialized")});
  rows.push_back({"Sealed", member("sealed")});
  rows.push_back({recovery ? "Total Recovery Shares" : "Total Shares", member("n")});
  rows.push_back({"Threshold", member("t")});
  if (!recovery && member("sealed") == "true") {
    rows.push_back({"Unseal Progress", Concat(member("progress"), "/", member("t"))});
    rows.push_back({"Unseal Nonce", member("nonce")});
  }
  rows.push_back({"Version", member("version")});
  rows.push_back({"Build Date", member("build_date")});
  rows.push_back({"Storage Type", member("storage_type")});
  if (!MemberText(seal, "cluster_name").empty()) {
    rows.push_back({"Cluster Name", member("cluster_name")});
    rows.push_back({"Cluster ID", member("cluster_id")});
  }
  rows.push_back({"HA Enabled", OneLine(leader.ha_enabled)});
  return Columns(std::move(rows));
}

boost::json::object SealStatusJson(const boost::json::object& seal, const LeaderFacts& leader) {
  boost::json::object whole = seal;
  whole["ha_enabled"] = leader.ha_enabled;
  whole["active_time"] = leader.active_time;
  return whole;
}

void ShowSealStatus(Terminal& terminal, Client& client, const ClientFlags& flags,
                    const boost::json::object& seal) {
  const LeaderFacts leader = AskForLeader(client);
  if (flags.Json(terminal)) {
    *terminal.out << JsonText(SealStatusJson(seal, leader)) << std::endl;
  } else {
    *terminal.out << SealStatusTable(seal, leader) << std::flush;
  }
}

}  // namespace belfry::cli
