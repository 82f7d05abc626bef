#include <ostream>

#include "cli/json_text.h"
#include "cli/operator_commands.h"
#include "cli/operator_output.h"

namespace belfry::cli {
namespace {

absl::StatusOr<boost::json::object> KeyStatus(Client& client) {
  constexpr std::string_view kDoing = "Error reading key status";
  const auto answer = DemandObject(client, kDoing, "GET", "sys/key-status");
  if (!answer.ok()) return answer.status();
  if (answer->data() != nullptr) return *answer->data();
  return answer->json.get_object();
}

void ShowKeyStatus(Terminal& terminal, const ClientFlags& client_flags,
                   const boost::json::object& key) {
  if (client_flags.Json(terminal)) {
    *terminal.out << JsonText(KeyStatusJson(key)) << std::endl;
  } else {
    *terminal.out << KeyStatusText(key) << std::flush;
  }
}

}  // namespace

int RunOperatorKeyStatus(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator key-status [flags]",
       .about =
           R"(Shows the key that the server encrypts its storage with: its number, since when it is in use,
and how often it was used.)",
       .examples = {"belfry operator key-status"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  const auto key = KeyStatus(*client);
  if (!key.ok()) return Fail(terminal, key.status(), kRequestError);
  ShowKeyStatus(terminal, client_flags, *key);
  return kSuccess;
}

int RunOperatorRotate(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator rotate [flags]",
       .about =
           R"(Makes a new key, with which the server encrypts what is written from now on. What is stored stays
readable. The unseal keys do not change: "belfry operator rekey" replaces those. Needs sudo on
sys/rotate.)",
       .examples = {"belfry operator rotate"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  const auto rotated = Demand(*client, "Error rotating key", "PUT", "sys/rotate");
  if (!rotated.ok()) return Fail(terminal, rotated.status(), kRequestError);
  const auto key = KeyStatus(*client);
  if (!key.ok()) return Fail(terminal, key.status(), kRequestError);
  if (!client_flags.Json(terminal)) *terminal.out << "Success! Rotated key\n\n";
  ShowKeyStatus(terminal, client_flags, *key);
  return kSuccess;
}

}  // namespace belfry::cli
