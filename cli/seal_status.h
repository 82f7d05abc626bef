#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "cli/command.h"

namespace belfry::cli {

// Of sys/leader, what belongs to the state of a server.
struct LeaderFacts {
  boost::json::value ha_enabled = false;
  boost::json::value active_time = "0001-01-01T00:00:00Z";
};

// What sys/seal-status answers, as people read it, and as one JSON object with the leader's facts.
std::string SealStatusTable(const boost::json::object& seal, const LeaderFacts& leader);
boost::json::object SealStatusJson(const boost::json::object& seal, const LeaderFacts& leader);

// Asks for the leader, and shows it with `seal` in the format that was asked for.
void ShowSealStatus(Terminal& terminal, Client& client, const ClientFlags& flags,
                    const boost::json::object& seal);

}  // namespace belfry::cli
