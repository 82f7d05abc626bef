#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <ostream>

#include "cli/json_text.h"
#include "cli/operator_commands.h"
#include "cli/operator_output.h"
#include "cli/secret_input.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

constexpr std::string_view kReadingStatus = "Error getting rekey status";

constexpr std::string_view kAbout =
    R"(Replaces the unseal keys or, with -target=recovery, the recovery keys of a server that unseals by
itself. -init starts it and prints a nonce, which names the operation; then holders
of the old keys give theirs with this command until there are enough, and the last one is shown the
new keys. With -init -verify the old keys stay in use until the new ones have been given, too, with
-verify.

Without KEY, the key is asked for, and not shown while it is typed; or, where standard input is no
terminal, all of that is the key. With KEY, or - for standard input, -nonce must name the operation.
As KEY, it would be seen in the list of processes and kept in the shell's history.)";

struct RekeyFlags {
  bool init = false;
  bool status = false;
  bool cancel = false;
  bool verify = false;
  Shares shares;
  std::string nonce;
  std::string target = "barrier";

  void AddTo(Flags* flags) {
    flags->Add("init", "Start to replace the unseal keys.", &init);
    flags->Add("status", "Show how far it is.", &status);
    flags->Add("cancel",
               "Forget the keys that have been given, and the operation, which -nonce names.",
               &cancel);
    flags->Add("verify", "With -init: want the new keys to be verified. Else: do it.", &verify);
    flags->Add("key-shares", "How many keys to make. Default: 5.", &shares.count);
    flags->Add("n", "Short for -key-shares.", &shares.count);
    flags->Add("key-threshold", "How many of them are needed together. Default: 3.",
               &shares.threshold);
    flags->Add("t", "Short for -key-threshold.", &shares.threshold);
    flags->Add("nonce", "Names the operation that a key is given for.", &nonce);
    flags->Add("target", "barrier: the unseal keys (default); recovery: the recovery keys.",
               &target);
    flags->Refuse("pgp-keys", "this server encrypts for no PGP keys; encrypt what is printed");
    for (const char* name : {"backup", "backup-retrieve", "backup-delete"})
      flags->Refuse(name, "this server keeps no copy of the keys that it hands out");
    for (const char* name : {"recovery-key", "recovery-keys"})
      flags->Refuse(name, "servers are unsealed with shares of a key alone");
  }

  // What is replaced, as people read it.
  std::string_view keys() const { return target == "barrier" ? "unseal keys" : "recovery keys"; }
  // "sys/rekey/init" and such.
  std::string Path(std::string_view step) const {
    return Concat(target == "barrier" ? "sys/rekey/" : "sys/rekey-recovery-key/", step);
  }

  absl::Status Check(const Flags& flags) const {
    if (target != "barrier" && target != "recovery") {
      return absl::InvalidArgumentError(
          Concat("-target must be barrier or recovery, not \"", target, "\""));
    }
    if (absl::Status one = flags.ExpectAtMostOneOf({"init", "status", "cancel"}); !one.ok())
      return one;
    return flags.ExpectArguments(0, init || status || cancel ? 0 : 1);
  }
};

// One operation with the server's rekeying, or with its verification.
class RekeyCommand {
 public:
  RekeyCommand(Terminal* terminal, Client* client, const ClientFlags* client_flags,
               const RekeyFlags* wanted)
      : terminal_(*terminal), client_(*client), client_flags_(*client_flags), wanted_(*wanted) {}

  int Begin() {
    const boost::json::object body = {{"secret_shares", wanted_.shares.count},
                                      {"secret_threshold", wanted_.shares.threshold},
                                      {"require_verification", wanted_.verify}};
    const auto answer = DemandObject(client_, "Error initializing rekey", "PUT",
                                     wanted_.Path("init"), boost::json::serialize(body));
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    if (!Json()) {
      *terminal_.err << "WARNING! The new " << wanted_.keys()
                     << " are shown once, with the answer to the last old key, and kept nowhere.\n";
      if (!wanted_.verify) {
        *terminal_.err << "Without -verify the old ones are lost at that moment, also where the "
                          "answer does not arrive.\n";
      }
      *terminal_.out << "\n";
    }
    return Show(*answer, RekeyText(answer->json.get_object()));
  }

  int ShowStatus() {
    const auto answer = DemandObject(client_, kReadingStatus, "GET", StatusPath());
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    return Show(*answer, StatusText(answer->json.get_object()));
  }

  int Cancel() {
    const std::string body =
        wanted_.nonce.empty()
            ? ""
            : boost::json::serialize(boost::json::object{{"nonce", wanted_.nonce}});
    const auto answer = Demand(client_, "Error canceling rekey", "DELETE", StatusPath(), "", body);
    if (!answer.ok()) {
      const bool refused = absl::IsFailedPrecondition(answer.status());
      const std::string_view advice =
          refused && !wanted_.verify && wanted_.nonce.empty()
              ? "\n-nonce must name the operation; -status shows its nonce"
              : "";
      return Fail(terminal_, Concat(std::string(answer.status().message()), advice), kRequestError);
    }
    *terminal_.out << (wanted_.verify
                           ? "Success! The verification begins again, with a new nonce; the rekey "
                             "goes on until it is canceled without -verify"
                           : "Success! Canceled rekeying (if it was started)")
                   << std::endl;
    return kSuccess;
  }

  int Give(std::string_view argument) {
    const auto status = DemandObject(client_, kReadingStatus, "GET", StatusPath());
    if (!status.ok()) return Fail(terminal_, status.status(), kRequestError);
    const boost::json::object& before = status->json.get_object();
    if (MemberText(before, "started") != "true") {
      return Fail(
          terminal_,
          Concat("No rekey is in progress: \"belfry operator rekey ",
                 wanted_.target == "barrier" ? "" : "-target=recovery ", "-init\" starts one"),
          kUsageError);
    }
    const auto share = ReadShare(terminal_, before, argument, wanted_.nonce);
    if (!share.ok()) return Fail(terminal_, share.status(), kUsageError);
    const auto answer = DemandObject(
        client_,
        wanted_.target == "barrier" ? "Error posting unseal key" : "Error posting recovery key",
        "PUT", wanted_.Path(wanted_.verify ? "verify" : "update"), share->Body());
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    const boost::json::object& after = answer->json.get_object();
    if (MemberText(after, "complete") != "true") return Show(*answer, StatusText(after));
    if (wanted_.verify) {
      return Show(*answer, Concat("Success! The new ", wanted_.keys(),
                                  " are verified, and replace the old ones.\n"));
    }
    return ShowNewKeys(*answer, before);
  }

 private:
  bool Json() const { return client_flags_.Json(terminal_); }
  std::string StatusPath() const { return wanted_.Path(wanted_.verify ? "verify" : "init"); }
  std::string StatusText(const boost::json::object& status) const {
    return wanted_.verify ? RekeyVerificationText(status) : RekeyText(status);
  }

  int Show(const Answer& answer, const std::string& text) {
    if (Json()) {
      *terminal_.out << Indented(answer.body) << std::endl;
    } else {
      *terminal_.out << text << std::flush;
    }
    return kSuccess;
  }

  int ShowNewKeys(const Answer& answer, const boost::json::object& status) {
    const boost::json::object& made = answer.json.get_object();
    const std::string needed = MemberText(status, "t");
    if (MemberText(made, "verification_required") != "true") {
      const bool unseal = wanted_.target == "barrier";
      Show(answer, Concat(NewSharesText(made), "Success! The ", wanted_.keys(),
                          " are replaced: ", needed, " of these ", MemberText(status, "n"),
                          unseal ? " unseal the server now" : " count now",
                          ", and the old ones do not.\n"));
      return terminal_.out->good() ? kSuccess : FailUnshown();
    }
    const int shown =
        Show(answer, Concat(NewSharesText(made), "These keys are not in use yet: ", needed,
                            " of them must be given to\n\"belfry operator rekey "
                            "-verify",
                            wanted_.target == "barrier" ? "" : " -target=recovery",
                            "\" first. Until then the old ones stay.\n\n"));
    if (Json()) return shown;
    const auto verification = DemandObject(client_, kReadingStatus, "GET", wanted_.Path("verify"));
    if (!verification.ok()) return Fail(terminal_, verification.status(), kRequestError);
    return Show(*verification, RekeyVerificationText(verification->json.get_object()));
  }

  int FailUnshown() {
    return Fail(terminal_,
                Concat("the ", wanted_.keys(),
                       " are replaced, but the new ones could not be shown, and are lost. ",
                       wanted_.target == "barrier"
                           ? "The server can never be unsealed again: before it is sealed or "
                             "ends, read what it keeps and write it to another server. "
                           : "",
                       "With -verify the old ones would have stayed valid"),
                kUsageError);
  }

  Terminal& terminal_;
  Client& client_;
  const ClientFlags& client_flags_;
  const RekeyFlags& wanted_;
};

}  // namespace

int RunOperatorRekey(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "operator rekey [flags] [KEY]",
               .about = std::string(kAbout),
               .examples = {"belfry operator rekey -init -key-shares=3 -key-threshold=2",
                            "belfry operator rekey", "belfry operator rekey -status",
                            "belfry operator rekey -nonce=NONCE - <unseal-key.txt"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  RekeyFlags wanted;
  wanted.AddTo(&flags);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 1, terminal, &exit_code)) return exit_code;
  if (const absl::Status wrong = wanted.Check(flags); !wrong.ok())
    return Fail(terminal, wrong, kUsageError);
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  RekeyCommand command(&terminal, &*client, &client_flags, &wanted);
  if (wanted.init) return command.Begin();
  if (wanted.status) return command.ShowStatus();
  if (wanted.cancel) return command.Cancel();
  return command.Give(flags.arguments().empty() ? "" : flags.arguments().front());
}

}  // namespace belfry::cli
