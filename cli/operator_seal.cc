#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>

#include "cli/operator_commands.h"
#include "cli/seal_status.h"
#include "cli/secret_input.h"

namespace belfry::cli {

int RunOperatorUnseal(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator unseal [flags] [KEY]",
       .about =
           R"(Gives the server one of its unseal keys, and shows how many it has and needs. With the last
one it is unsealed.

Without KEY, the key is asked for, and not shown while it is typed; or, where standard input is no
terminal, all of that is the key, as it is with -. As KEY, it would be seen in the list of processes
and kept in the shell's history.)",
       .examples = {"belfry operator unseal", "belfry operator unseal - <unseal-key.txt",
                    "belfry operator unseal -reset"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  bool reset = false;
  flags.Add("reset", "Forget the keys that have been given.", &reset);
  flags.Refuse("migrate", "a seal cannot be changed for another one yet");
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 1, terminal, &exit_code)) return exit_code;
  if (const absl::Status no_key = flags.ExpectArguments(0, reset ? 0 : 1); !no_key.ok())
    return Fail(terminal, no_key, kUsageError);
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);

  boost::json::object body = {{"reset", true}};
  if (!reset) {
    const std::string given = flags.arguments().empty() ? "" : flags.arguments().front();
    const auto key = ReadUnsealKey(terminal, given);
    if (!key.ok()) return Fail(terminal, key.status(), kUsageError);
    body = {{"key", *key}};
  }
  const auto answer =
      DemandObject(*client, "Error unsealing", "PUT", "sys/unseal", boost::json::serialize(body));
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  ShowSealStatus(terminal, *client, client_flags, answer->json.get_object());
  return kSuccess;
}

int RunOperatorSeal(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator seal [flags]",
       .about =
           R"(Seals the server: it forgets the key that its storage is encrypted with, ends its plugins and
subscriptions, and answers nothing more until it is unsealed. Needs sudo on sys/seal.)",
       .examples = {"belfry operator seal"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  const auto answer = Demand(*client, "Error sealing", "PUT", "sys/seal");
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  *terminal.out << "Success! Vault is sealed." << std::endl;
  return kSuccess;
}

}  // namespace belfry::cli
