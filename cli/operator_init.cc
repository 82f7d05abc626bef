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

// What is wanted of each kind of server.
struct Wanted {
  Shares unseal;
  Shares recovery;
  bool about_unseal_keys = false;  // One of their flags was given.
  bool about_recovery_keys = false;
};

// Whether the keys to ask for are recovery keys: when nothing says so, the server does.
bool AsksForRecoveryKeys(Client& client, const Wanted& wanted) {
  if (wanted.about_unseal_keys || wanted.about_recovery_keys) return wanted.about_recovery_keys;
  const auto seal = client.Send("GET", "sys/seal-status");
  const auto* status = seal.ok() && seal->ok() ? seal->json.if_object() : nullptr;
  return status != nullptr && MemberText(*status, "recovery_seal") == "true";
}

int Initialize(Terminal& terminal, Client& client, const ClientFlags& client_flags,
               const Wanted& wanted) {
  const bool recovery = AsksForRecoveryKeys(client, wanted);
  const Shares& shares = recovery ? wanted.recovery : wanted.unseal;
  const std::string kind = recovery ? "recovery" : "secret";
  const boost::json::object body = {{kind + "_shares", shares.count},
                                    {kind + "_threshold", shares.threshold}};
  const auto answer =
      DemandObject(client, "Error initializing", "PUT", "sys/init", boost::json::serialize(body));
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  const boost::json::object& made = answer->json.get_object();
  if (client_flags.Json(terminal)) {
    *terminal.out << JsonText(InitJson(made, shares)) << std::endl;
  } else {
    *terminal.out << InitText(made, shares) << std::flush;
  }
  if (terminal.out->good()) return kSuccess;
  return Fail(terminal,
              "the server is initialized, but its keys and the root token could not be shown, and "
              "are lost: end the server, remove its data directory and begin again",
              kUsageError);
}

void RefuseWhatIsNotThere(Flags* flags) {
  constexpr std::string_view kNoPgp =
      "this server encrypts for no PGP keys; encrypt what is printed";
  for (const char* name : {"pgp-keys", "root-token-pgp-key", "recovery-pgp-keys"})
    flags->Refuse(name, kNoPgp);
  flags->Refuse("stored-shares", "no server stores unseal keys");
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
has been given as many of the unseal keys as it takes. A server with a seal in its configuration
unseals by itself: it gives recovery keys instead, which make a root token and unseal nothing.

Exit codes with -status: 0 initialized; 2 not; 1 for every error.)",
       .examples = {"belfry operator init", "belfry operator init -status",
                    "belfry operator init -key-shares=3 -key-threshold=2 -format=json"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  bool status = false;
  Wanted wanted;
  Shares& shares = wanted.unseal;
  flags.Add("status", "Only show whether the server is initialized.", &status);
  flags.Add("key-shares", "How many unseal keys to make. Default: 5.", &shares.count);
  flags.Add("n", "Short for -key-shares.", &shares.count);
  flags.Add("key-threshold", "How many of them unseal the server. Default: 3.", &shares.threshold);
  flags.Add("t", "Short for -key-threshold.", &shares.threshold);
  flags.Add("recovery-shares", "How many recovery keys to make. Default: 5.",
            &wanted.recovery.count);
  flags.Add("recovery-threshold", "How many of them make a root token. Default: 3.",
            &wanted.recovery.threshold);
  RefuseWhatIsNotThere(&flags);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  for (const char* name : {"key-shares", "n", "key-threshold", "t"})
    wanted.about_unseal_keys |= flags.Given(name);
  for (const char* name : {"recovery-shares", "recovery-threshold"})
    wanted.about_recovery_keys |= flags.Given(name);
  if (wanted.about_unseal_keys && wanted.about_recovery_keys) {
    return Fail(terminal, "there are unseal keys or recovery keys: leave the flags of one out",
                kUsageError);
  }
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  return status ? ShowStatus(terminal, *client, client_flags)
                : Initialize(terminal, *client, client_flags, wanted);
}

}  // namespace belfry::cli
