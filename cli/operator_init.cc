#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>

#include "cli/json_text.h"
#include "cli/operator_commands.h"
#include "cli/operator_output.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

// With -status every error is 1: 2 says that the server is not initialized.
constexpr int kStatusError = 1;
constexpr int kNotInitialized = 2;

int ShowStatus(Terminal& terminal, Client& client, const ClientFlags& client_flags) {
  const auto answer =
      DemandObject(client, "Error checking initialization status", "GET", "sys/init");
  if (!answer.ok()) return Fail(terminal, answer.status(), kStatusError);
  const bool initialized = MemberText(answer->json.get_object(), "initialized") == "true";
  if (client_flags.Json(terminal)) {
    *terminal.out << JsonText(boost::json::object{{"Initialized", initialized}}) << std::endl;
  } else {
    *terminal.out << (initialized ? "Vault is initialized" : "Vault is not initialized")
                  << std::endl;
  }
  return initialized ? kSuccess : kNotInitialized;
}

int Initialize(Terminal& terminal, Client& client, const ClientFlags& client_flags,
               const Shares& shares) {
  const boost::json::object body = {{"secret_shares", shares.count},
                                    {"secret_threshold", shares.threshold}};
  const auto answer =
      DemandObject(client, "Error initializing", "PUT", "sys/init", boost::json::serialize(body));
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  const boost::json::object& made = answer->json.get_object();
  if (client_flags.Json(terminal)) {
    *terminal.out << JsonText(InitJson(made, shares)) << std::endl;
  } else {
    *terminal.out << InitText(made, shares) << std::flush;
  }
  return kSuccess;
}

void RefuseWhatIsNotThere(Flags* flags) {
  constexpr std::string_view kNoPgp =
      "this server encrypts for no PGP keys; encrypt what is printed";
  for (const char* name : {"pgp-keys", "root-token-pgp-key", "recovery-pgp-keys"})
    flags->Refuse(name, kNoPgp);
  for (const char* name : {"recovery-shares", "recovery-threshold", "stored-shares"})
    flags->Refuse(name, "servers are unsealed with shares of a key alone");
  for (const char* name : {"consul-auto", "consul-service"})
    flags->Refuse(name, "-address says where the server is");
}

}  // namespace

int RunOperatorInit(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "operator init [flags]",
       .about =
           R"(Initializes a server whose storage is empty, and prints the unseal keys and a root token.
They are shown this once, and kept nowhere. The server stays sealed until "belfry operator unseal"
has been given as many of the unseal keys as it takes.

Exit codes with -status: 0 initialized; 2 not; 1 for every error.)",
       .examples = {"belfry operator init", "belfry operator init -status",
                    "belfry operator init -key-shares=3 -key-threshold=2 -format=json"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  bool status = false;
  Shares shares;
  flags.Add("status", "Only show whether the server is initialized.", &status);
  flags.Add("key-shares", "How many unseal keys to make. Default: 5.", &shares.count);
  flags.Add("n", "Short for -key-shares.", &shares.count);
  flags.Add("key-threshold", "How many of them unseal the server. Default: 3.", &shares.threshold);
  flags.Add("t", "Short for -key-threshold.", &shares.threshold);
  RefuseWhatIsNotThere(&flags);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  return status ? ShowStatus(terminal, *client, client_flags)
                : Initialize(terminal, *client, client_flags, shares);
}

}  // namespace belfry::cli
