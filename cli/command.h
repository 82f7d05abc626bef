#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/client.h"
#include "cli/flags.h"
#include "cli/terminal.h"

namespace belfry::cli {

// What the commands that talk to a server have in common.

// The flags -address, -namespace, those for TLS, -format and, where a command has a use for it,
// -field.
class ClientFlags {
 public:
  enum class Field { kOffered, kNotOffered };
  enum class Output { kTableOrJson, kJsonOnly };
  // `flags` must be there for as long as this.
  ClientFlags(Flags* flags, Field field, Output output = Output::kTableOrJson);
  // A client for what was asked; InvalidArgument for an address, a token, a namespace, a timeout or
  // a setting of TLS that cannot be used, for a format that is unknown or that the command does not
  // print, and where the environment asks for wrapped answers.
  absl::StatusOr<Client> Connect(const Terminal& terminal) const;
  bool Json(const Terminal& terminal) const;
  const std::string& field() const { return field_; }
  const std::string& address() const { return address_; }
  const std::string& name_space() const { return name_space_; }

 private:
  // "table", "json", another that is none, or "".
  std::string Format(const Terminal& terminal) const;

  const Flags* flags_;
  Output output_;
  std::string address_;
  std::string name_space_;
  TlsFlags tls_;
  bool skip_verify_ = false;
  std::string format_;
  std::string field_;
};

// Parses, and checks the number of arguments. On true the command goes on; otherwise everything has
// been said (help, or the error and the first line of it) and *exit_code is set.
bool ParseOrExplain(Flags& flags, const std::vector<std::string>& arguments, std::size_t minimum,
                    std::size_t maximum, Terminal& terminal, int* exit_code);

// The exit code for what Connect has refused: it is the user's to change.
inline constexpr int kSettingsError = kUsageError;

// Says on the error stream what went wrong, and returns the exit code given.
int Fail(Terminal& terminal, const absl::Status& status, int exit_code);
int Fail(Terminal& terminal, std::string_view message, int exit_code);

// The warnings of an answer, on the error stream.
void ShowWarnings(Terminal& terminal, const Answer& answer);

// A request that a command needs to succeed: an answer outside 2xx is FailedPrecondition "<doing>:
// …" with the server's errors.
absl::StatusOr<Answer> Demand(Client& client, std::string_view doing, std::string_view method,
                              std::string_view path, std::string_view query = "",
                              std::string body = "");

// The same for an answer that must be a JSON object, which its `json` then is.
absl::StatusOr<Answer> DemandObject(Client& client, std::string_view doing, std::string_view method,
                                    std::string_view path, std::string body = "");

// Prints the member of an object that -field names, and returns the exit code: alone and without a
// newline after it, or with -format=json as a JSON text of its own.
int PrintField(Terminal& terminal, const boost::json::object& object, const ClientFlags& flags);

// One word after "belfry", or after a family's name.
struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(Terminal& terminal, const std::vector<std::string>& arguments);
};

// Runs the command that the first argument names with the arguments after it; without one, or with
// an unknown one, prints the list. `family` is "" for the program itself, else "kv " and such.
// "help" and -h before a command's name show the help of that command.
int Dispatch(std::string_view family, const std::vector<Command>& commands, Terminal& terminal,
             std::vector<std::string> arguments);

}  // namespace belfry::cli
