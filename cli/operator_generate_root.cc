#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>

#include "absl/strings/numbers.h"
#include "base/ids.h"
#include "cli/json_text.h"
#include "cli/operator_commands.h"
#include "cli/operator_output.h"
#include "cli/secret_input.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

constexpr std::string_view kAttempt = "sys/generate-root/attempt";
constexpr std::string_view kUpdate = "sys/generate-root/update";
constexpr std::string_view kReadingStatus = "Error getting root generation status";
// Tokens are far shorter.
constexpr int kMostPadBytes = 4096;

constexpr std::string_view kAbout =
    R"(Makes a root token with the unseal keys. -init starts it and prints a one-time password (OTP) and a
nonce, which names the operation. Holders of unseal keys give theirs with this command until there
are enough; the last one is shown the token, encoded with the OTP. -decode decodes it.

Without KEY, the key is asked for, and not shown while it is typed; or, where standard input is no
terminal, all of that is the key. With KEY, or - for standard input, -nonce must name the operation.
As KEY, it would be seen in the list of processes and kept in the shell's history. It is the same
with the OTP that -decode needs, and -otp.)";

struct RootFlags {
  bool init = false;
  bool status = false;
  bool cancel = false;
  bool generate_otp = false;
  std::string decode;
  std::string otp;
  std::string nonce;

  void AddTo(Flags* flags) {
    flags->Add("init", "Start to make a root token.", &init);
    flags->Add("status", "Show how far it is.", &status);
    flags->Add("cancel", "Forget the keys that have been given, and the operation.", &cancel);
    flags->Add("generate-otp", "Print a one-time password that -init takes as -otp.",
               &generate_otp);
    flags->Add("decode",
               "Print the root token of this encoded one; - reads it from standard input. Needs no "
               "server.",
               &decode);
    flags->Add("otp",
               "The one-time password of -init or -decode. Default: the server makes one, or it is "
               "asked for.",
               &otp);
    flags->Add("nonce", "Names the operation that a key is given for.", &nonce);
    flags->Refuse("pgp-key",
                  "this server encrypts for no PGP keys; -init gives a one-time password");
    for (const char* name : {"dr-token", "recovery-token"})
      flags->Refuse(name, "this server makes no such tokens");
  }

  absl::Status Check(const Flags& flags) const {
    if (absl::Status one =
            flags.ExpectAtMostOneOf({"init", "status", "cancel", "generate-otp", "decode"});
        !one.ok()) {
      return one;
    }
    const bool takes_key = !init && !status && !cancel && !generate_otp && !flags.Given("decode");
    return flags.ExpectArguments(0, takes_key ? 1 : 0);
  }
};

class RootCommand {
 public:
  RootCommand(Terminal* terminal, Client* client, const ClientFlags* client_flags,
              const RootFlags* wanted)
      : terminal_(*terminal), client_(*client), client_flags_(*client_flags), wanted_(*wanted) {}

  int Begin() {
    boost::json::object body;
    if (!wanted_.otp.empty()) {
      const auto pad = ReadPad();
      if (!pad.ok()) return Fail(terminal_, pad.status(), kUsageError);
      body["otp"] = *pad;
    }
    const auto answer = DemandObject(client_, "Error initializing root generation", "PUT", kAttempt,
                                     boost::json::serialize(body));
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    if (!Json() && !MemberText(answer->json.get_object(), "otp").empty()) {
      *terminal_.err << "Keep the OTP: the root token will be encoded with it, and it is not shown "
                        "again.\n";
    }
    return Show(*answer);
  }

  int ShowStatus() {
    const auto answer = DemandObject(client_, kReadingStatus, "GET", kAttempt);
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    return Show(*answer);
  }

  int Cancel() {
    const auto answer =
        Demand(client_, "Error canceling root token generation", "DELETE", kAttempt);
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    *terminal_.out << "Success! Root token generation canceled (if it was started)" << std::endl;
    return kSuccess;
  }

  // As long as the server wants it.
  int GenerateOtp() {
    const auto answer = DemandObject(client_, kReadingStatus, "GET", kAttempt);
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    int length = 0;
    if (!absl::SimpleAtoi(MemberText(answer->json.get_object(), "otp_length"), &length) ||
        length < 1 || length > kMostPadBytes) {
      return Fail(terminal_, "the server does not say how long a one-time password must be",
                  kRequestError);
    }
    return ShowSecret("otp", RandomBase62(static_cast<std::size_t>(length)));
  }

  int Decode() {
    if (wanted_.decode == "-" && (wanted_.otp.empty() || wanted_.otp == "-")) {
      return Fail(terminal_, "with -decode=- the one-time password must be given by -otp",
                  kUsageError);
    }
    const auto encoded =
        ReadSecret(terminal_, "encoded token", "Encoded Token (will be hidden): ", wanted_.decode);
    if (!encoded.ok()) return Fail(terminal_, encoded.status(), kUsageError);
    const auto pad = ReadPad();
    if (!pad.ok()) return Fail(terminal_, pad.status(), kUsageError);
    const auto token = DecodeRootToken(*encoded, *pad);
    if (!token.ok()) return Fail(terminal_, token.status(), kUsageError);
    return ShowSecret("token", *token);
  }

  int Give(std::string_view argument) {
    const auto status = DemandObject(client_, kReadingStatus, "GET", kAttempt);
    if (!status.ok()) return Fail(terminal_, status.status(), kRequestError);
    if (MemberText(status->json.get_object(), "started") != "true") {
      return Fail(terminal_,
                  "No root generation is in progress: \"belfry operator generate-root -init\" "
                  "starts one",
                  kUsageError);
    }
    const auto share = ReadShare(terminal_, status->json.get_object(), argument, wanted_.nonce);
    if (!share.ok()) return Fail(terminal_, share.status(), kUsageError);
    const auto answer =
        DemandObject(client_, "Error posting unseal key", "PUT", kUpdate, share->Body());
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    return Show(*answer);
  }

 private:
  bool Json() const { return client_flags_.Json(terminal_); }

  absl::StatusOr<std::string> ReadPad() {
    return ReadSecret(terminal_, "one-time password", "OTP (will be hidden): ", wanted_.otp);
  }

  int Show(const Answer& answer) {
    if (Json()) {
      *terminal_.out << Indented(answer.body) << std::endl;
    } else {
      *terminal_.out << RootGenerationText(answer.json.get_object()) << std::flush;
    }
    return kSuccess;
  }

  // Alone and without a newline after it, as -field prints a value.
  int ShowSecret(const char* name, const std::string& secret) {
    if (Json()) {
      *terminal_.out << JsonText(boost::json::object{{name, secret}}) << std::endl;
    } else {
      *terminal_.out << secret << std::flush;
    }
    return kSuccess;
  }

  Terminal& terminal_;
  Client& client_;
  const ClientFlags& client_flags_;
  const RootFlags& wanted_;
};

}  // namespace

int RunOperatorGenerateRoot(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "operator generate-root [flags] [KEY]",
               .about = std::string(kAbout),
               .examples = {"belfry operator generate-root -init", "belfry operator generate-root",
                            "belfry operator generate-root -nonce=NONCE - <unseal-key.txt",
                            "belfry operator generate-root -decode=ENCODED_TOKEN"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  RootFlags wanted;
  wanted.AddTo(&flags);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 1, terminal, &exit_code)) return exit_code;
  if (const absl::Status wrong = wanted.Check(flags); !wrong.ok())
    return Fail(terminal, wrong, kUsageError);
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  RootCommand command(&terminal, &*client, &client_flags, &wanted);
  if (wanted.init) return command.Begin();
  if (wanted.status) return command.ShowStatus();
  if (wanted.cancel) return command.Cancel();
  if (wanted.generate_otp) return command.GenerateOtp();
  if (flags.Given("decode")) return command.Decode();
  return command.Give(flags.arguments().empty() ? "" : flags.arguments().front());
}

}  // namespace belfry::cli
