#include "cli/operator_output.h"

#include <boost/json/array.hpp>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace json = boost::json;
using Rows = std::vector<std::vector<std::string>>;

json::array ArrayOf(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value != nullptr && value->is_array() ? value->get_array() : json::array();
}

json::value ValueOf(const json::object& object, std::string_view name) {
  const auto* value = object.if_contains(name);
  return value == nullptr ? json::value() : *value;
}

std::string Text(const json::object& object, std::string_view name) {
  return OrNotAvailable(MemberText(object, name));
}

std::string Progress(const json::object& object, std::string_view of) {
  return Concat(Text(object, "progress"), "/", Text(object, of));
}

std::string NumberedLines(std::string_view name, const json::array& values) {
  std::string lines;
  std::size_t number = 0;
  for (const auto& value : values) lines += Concat(name, " ", ++number, ": ", OneLine(value), "\n");
  return lines;
}

// "28 Nov 26 13:40 UTC", and what is no time as it is.
std::string ShortTime(const std::string& text) {
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) return text;
  return absl::FormatTime("%d %b %y %H:%M UTC", time, absl::UTCTimeZone());
}

}  // namespace

std::string InitText(const json::object& made, const Shares& shares) {
  const json::array recovery = ArrayOf(made, "recovery_keys_base64");
  if (!recovery.empty()) {
    return Concat(NumberedLines("Recovery Key", recovery),
                  "\nInitial Root Token: ", MemberText(made, "root_token"), "\n\n",
                  "The server is initialized, and unseals by itself. ", shares.threshold,
                  " of the ", shares.count, " recovery keys make\na root token with ",
                  "\"belfry operator generate-root\"; they unseal nothing. They are shown here ",
                  "only:\ngive them to different people.\n");
  }
  return Concat(NumberedLines("Unseal Key", ArrayOf(made, "keys_base64")),
                "\nInitial Root Token: ", MemberText(made, "root_token"), "\n\n",
                "The server is initialized, and sealed. Whenever it is started or sealed, ",
                shares.threshold, " of the ", shares.count,
                "\nunseal keys are needed to unseal it. ",
                "They are shown here only: give them to different people, so that\n",
                "no one has enough of them. With fewer than ", shares.threshold,
                ", nothing that the server stores can be read any more.\n\n",
                "\"belfry operator rekey\" makes other unseal keys.\n");
}

json::object InitJson(const json::object& made, const Shares& shares) {
  const json::array recovery = ArrayOf(made, "recovery_keys_base64");
  const Shares none = {.count = 0, .threshold = 0};
  const Shares& unseal = recovery.empty() ? shares : none;
  const Shares& recover = recovery.empty() ? none : shares;
  return {{"unseal_keys_b64", ArrayOf(made, "keys_base64")},
          {"unseal_keys_hex", ArrayOf(made, "keys")},
          {"unseal_shares", unseal.count},
          {"unseal_threshold", unseal.threshold},
          {"recovery_keys_b64", recovery},
          {"recovery_keys_hex", ArrayOf(made, "recovery_keys")},
          {"recovery_keys_shares", recover.count},
          {"recovery_keys_threshold", recover.threshold},
          {"root_token", MemberText(made, "root_token")}};
}

std::string KeyStatusText(const json::object& key) {
  return Aligned({{"Key Term", Text(key, "term")},
                  {"Install Time", ShortTime(Text(key, "install_time"))},
                  {"Encryption Count", Text(key, "encryptions")}});
}

json::object KeyStatusJson(const json::object& key) {
  return {{"term", ValueOf(key, "term")},
          {"install_time", ValueOf(key, "install_time")},
          {"encryptions", ValueOf(key, "encryptions")}};
}

std::string RekeyText(const json::object& rekey) {
  Rows rows = {
      {"Key", "Value"}, {"Nonce", Text(rekey, "nonce")}, {"Started", Text(rekey, "started")}};
  if (MemberText(rekey, "started") == "true") {
    rows.push_back({"Rekey Progress", Progress(rekey, "required")});
    rows.push_back({"New Shares", Text(rekey, "n")});
    rows.push_back({"New Threshold", Text(rekey, "t")});
    rows.push_back({"Verification Required", Text(rekey, "verification_required")});
    if (!MemberText(rekey, "verification_nonce").empty())
      rows.push_back({"Verification Nonce", Text(rekey, "verification_nonce")});
  }
  return Columns(std::move(rows));
}

std::string RekeyVerificationText(const json::object& verification) {
  return Columns({{"Key", "Value"},
                  {"Started", Text(verification, "started")},
                  {"New Shares", Text(verification, "n")},
                  {"New Threshold", Text(verification, "t")},
                  {"Verification Nonce", Text(verification, "nonce")},
                  {"Verification Progress", Progress(verification, "t")}});
}

std::string NewSharesText(const json::object& made) {
  return Concat("\n", NumberedLines("Key", ArrayOf(made, "keys_base64")),
                "\nOperation nonce: ", MemberText(made, "nonce"), "\n\n");
}

std::string RootGenerationText(const json::object& generation) {
  Rows rows = {{"Nonce", Text(generation, "nonce")},
               {"Started", Text(generation, "started")},
               {"Progress", Progress(generation, "required")},
               {"Complete", Text(generation, "complete")}};
  if (const std::string token = MemberText(generation, "encoded_token"); !token.empty())
    rows.push_back({"Encoded Token", token});
  if (const std::string pad = MemberText(generation, "otp"); !pad.empty())
    rows.push_back({"OTP", pad});
  if (const std::string length = MemberText(generation, "otp_length");
      !length.empty() && length != "0") {
    rows.push_back({"OTP Length", length});
  }
  return Aligned(std::move(rows));
}

absl::StatusOr<std::string> DecodeRootToken(std::string_view encoded, std::string_view pad) {
  std::string token;
  if (!absl::Base64Unescape(std::string(encoded), &token) || token.empty())
    return absl::InvalidArgumentError("the encoded token is not base64");
  if (token.size() != pad.size()) {
    return absl::InvalidArgumentError(Concat("the one-time password has ", pad.size(),
                                             " bytes and the encoded token ", token.size(),
                                             ": they do not belong together"));
  }
  for (std::size_t i = 0; i < token.size(); ++i) token[i] = static_cast<char>(token[i] ^ pad[i]);
  return token;
}

std::string MembersText(const json::object& status) {
  Rows rows = {{"Host Name", "API Address", "Cluster Address", "Active Node", "Version",
                "Upgrade Version", "Redundancy Zone", "Last Echo"}};
  for (const auto& value : ArrayOf(status, "nodes")) {
    const auto* node = value.if_object();
    if (node == nullptr) continue;
    rows.push_back({Text(*node, "hostname"), Text(*node, "api_address"),
                    Text(*node, "cluster_address"), Text(*node, "active_node"),
                    Text(*node, "version"), Text(*node, "upgrade_version"),
                    Text(*node, "redundancy_zone"), Text(*node, "last_echo")});
  }
  return Columns(std::move(rows));
}

json::object MembersJson(const json::object& status) {
  return {{"Nodes", ArrayOf(status, "nodes")}};
}

}  // namespace belfry::cli
