#include "cli/command.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "cli/json_text.h"
#include "cli/table.h"
#include "cli/text.h"

namespace belfry::cli {

ClientFlags::ClientFlags(Flags* flags, Field field, Output output)
    : flags_(flags), output_(output) {
  const bool json_only = output == Output::kJsonOnly;
  flags->Add("address",
             "Address of the server, for example http://127.0.0.1:8200; https:// is with TLS.",
             &address_);
  flags->Add("namespace", "Namespace to work in.", &name_space_);
  flags->Add("ca-cert",
             "PEM file with the authority that has signed the server's certificate. Wins over "
             "-ca-path.",
             &tls_.ca_cert);
  flags->Add("ca-path", "Folder of such files.", &tls_.ca_path);
  flags->Add("client-cert",
             "PEM file with the certificate to show to the server; it needs -client-key.",
             &tls_.client_cert);
  flags->Add("client-key", "PEM file with the key of -client-cert.", &tls_.client_key);
  flags->Add("tls-server-name",
             "Name that the server's certificate must be for, instead of the address's host.",
             &tls_.server_name);
  flags->Add(
      "tls-skip-verify",
      "Trust any certificate. Anyone on the network path can then read the token and every secret.",
      &skip_verify_);
  flags->Add("format",
             json_only ? "json, the only format of this command." : "What to print: table or json.",
             &format_);
  if (field == Field::kOffered) flags->Add("field", "Print only the value of this field.", &field_);
  flags->AddEnvironment("BELFRY_ADDR, VAULT_ADDR",
                        "Address of the server, if -address does not give it. Default: "
                        "http://127.0.0.1:8200.");
  flags->AddEnvironment("BELFRY_TOKEN, VAULT_TOKEN",
                        "The token to use. Default: the content of the file ~/.vault-token.");
  flags->AddEnvironment("BELFRY_NAMESPACE, VAULT_NAMESPACE",
                        "Namespace to work in, if -namespace does not give it.");
  flags->AddEnvironment("BELFRY_CACERT, VAULT_CACERT",
                        "As -ca-cert, if neither -ca-cert nor -ca-path is given. Default: the "
                        "authorities that the system trusts.");
  flags->AddEnvironment("BELFRY_CACERT_BYTES, VAULT_CACERT_BYTES",
                        "The content of such a file; wins over VAULT_CACERT and VAULT_CAPATH.");
  flags->AddEnvironment("BELFRY_CAPATH, VAULT_CAPATH",
                        "As -ca-path, if neither -ca-cert nor VAULT_CACERT is given.");
  flags->AddEnvironment("BELFRY_CLIENT_CERT, VAULT_CLIENT_CERT",
                        "As -client-cert, if that is not given.");
  flags->AddEnvironment("BELFRY_CLIENT_KEY, VAULT_CLIENT_KEY",
                        "As -client-key, if that is not given.");
  flags->AddEnvironment("BELFRY_TLS_SERVER_NAME, VAULT_TLS_SERVER_NAME",
                        "As -tls-server-name, if that is not given.");
  flags->AddEnvironment("BELFRY_SKIP_VERIFY, VAULT_SKIP_VERIFY",
                        "true or false: as -tls-skip-verify, if that is not given.");
  flags->AddEnvironment("BELFRY_CLIENT_TIMEOUT, VAULT_CLIENT_TIMEOUT",
                        "How long an answer may take, for example 30 or 30s. Default: 100s.");
  flags->AddEnvironment("BELFRY_FORMAT, VAULT_FORMAT",
                        json_only ? "If set and -format does not give it: json."
                                  : "table or json, if -format does not give it. Default: table.");
}

namespace {

// The environment's CLIENT_TIMEOUT, in seconds or with a unit, as Vault's program takes it.
absl::StatusOr<absl::Duration> Timeout(const Terminal& terminal) {
  const EnvironmentSetting setting = FindSetting(terminal, "CLIENT_TIMEOUT");
  if (setting.value.empty()) return Client::kDefaultTimeout;
  absl::Duration timeout;
  int seconds = 0;
  if (absl::SimpleAtoi(setting.value, &seconds)) {
    timeout = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(setting.value, &timeout)) {
    timeout = absl::ZeroDuration();
  }
  if (timeout > absl::ZeroDuration()) return timeout;
  return absl::InvalidArgumentError(
      Concat(setting.variable, " must be a duration above zero, for example 30 or 30s: \"",
             setting.value, "\""));
}

// Somebody who asks for a wrapped answer must not get the secret itself.
absl::Status RefuseWrapping(const Terminal& terminal) {
  const EnvironmentSetting setting = FindSetting(terminal, "WRAP_TTL");
  if (setting.value.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("wrapped answers are not supported: unset ", setting.variable));
}

}  // namespace

std::string ClientFlags::Format(const Terminal& terminal) const {
  return absl::AsciiStrToLower(format_.empty() ? Setting(terminal, "FORMAT") : format_);
}

absl::StatusOr<Client> ClientFlags::Connect(const Terminal& terminal) const {
  const std::string format = Format(terminal);
  const std::string source =
      format_.empty() ? FindSetting(terminal, "FORMAT").variable : std::string("-format");
  if (output_ == Output::kJsonOnly && !format.empty() && format != "json") {
    return absl::InvalidArgumentError(
        Concat("this command prints JSON: leave ", source, " out, or say -format=json"));
  }
  if (!format.empty() && format != "table" && format != "json") {
    return absl::InvalidArgumentError(
        Concat("unknown format \"", format, "\" (", source, "): it must be table or json"));
  }
  if (absl::Status status = RefuseWrapping(terminal); !status.ok()) return status;
  absl::StatusOr<absl::Duration> timeout = Timeout(terminal);
  if (!timeout.ok()) return timeout.status();
  TlsFlags tls = tls_;
  if (flags_->Given("tls-skip-verify")) tls.skip_verify = skip_verify_;
  absl::StatusOr<Connection> connection = ConnectionFrom(terminal, address_, name_space_, tls);
  if (!connection.ok()) return connection.status();
  return Client(*std::move(connection), *timeout);
}

bool ClientFlags::Json(const Terminal& terminal) const {
  return Format(terminal) == "json";
}

bool ParseOrExplain(Flags& flags, const std::vector<std::string>& arguments, std::size_t minimum,
                    std::size_t maximum, Terminal& terminal, int* exit_code) {
  absl::Status status = flags.Parse(arguments);
  if (absl::IsCancelled(status)) {
    *terminal.out << flags.Usage();
    *exit_code = kSuccess;
    return false;
  }
  if (status.ok()) status = flags.ExpectArguments(minimum, maximum);
  if (status.ok()) return true;
  *exit_code = Fail(terminal, status, kUsageError);
  *terminal.err << "\n" << flags.ShortUsage();
  return false;
}

int Fail(Terminal& terminal, const absl::Status& status, int exit_code) {
  return Fail(terminal, std::string(status.message()), exit_code);
}

int Fail(Terminal& terminal, std::string_view message, int exit_code) {
  *terminal.err << Shown(message) << std::endl;
  return exit_code;
}

void ShowWarnings(Terminal& terminal, const Answer& answer) {
  const auto* envelope = answer.json.if_object();
  const auto* warnings = envelope == nullptr ? nullptr : envelope->if_contains("warnings");
  if (warnings == nullptr || !warnings->is_array()) return;
  for (const auto& warning : warnings->get_array())
    *terminal.err << "WARNING! " << Shown(OneLine(warning)) << "\n";
}

absl::StatusOr<Answer> Demand(Client& client, std::string_view doing, std::string_view method,
                              std::string_view path, std::string_view query, std::string body) {
  absl::StatusOr<Answer> answer = client.Send(method, path, query, std::move(body));
  if (!answer.ok())
    return absl::Status(answer.status().code(),
                        Concat(doing, ": ", std::string(answer.status().message())));
  if (!answer->ok()) return absl::FailedPreconditionError(Concat(doing, ": ", answer->ErrorText()));
  return answer;
}

absl::StatusOr<Answer> DemandObject(Client& client, std::string_view doing, std::string_view method,
                                    std::string_view path, std::string body) {
  absl::StatusOr<Answer> answer = Demand(client, doing, method, path, "", std::move(body));
  if (!answer.ok() || answer->json.is_object()) return answer;
  return absl::FailedPreconditionError(
      Concat(doing, ": the answer to ", answer->request, " is not a JSON object"));
}

int PrintField(Terminal& terminal, const boost::json::object& object, const ClientFlags& flags) {
  const auto* value = object.if_contains(flags.field());
  if (value == nullptr)
    return Fail(terminal, Concat("Field \"", flags.field(), "\" not present in secret"),
                kUsageError);
  if (flags.Json(terminal)) {
    *terminal.out << JsonText(*value) << "\n";
  } else {
    *terminal.out << OneLine(*value);
  }
  *terminal.out << std::flush;
  return kSuccess;
}

namespace {

bool IsHelp(std::string_view argument) {
  return argument == "-h" || argument == "-help" || argument == "--help" || argument == "help";
}

void ListCommands(std::string_view family, const std::vector<Command>& commands,
                  std::ostream& out) {
  out << "Usage: belfry " << family << "<command> [flags] [arguments]\n\nCommands:\n";
  std::size_t width = 0;
  for (const Command& command : commands) width = std::max(width, command.name.size());
  for (const Command& command : commands) {
    out << "    " << command.name << std::string(width + 4 - command.name.size(), ' ')
        << command.summary << "\n";
  }
  out << "\nRun \"belfry help " << family
      << "<command>\" for flags, environment variables and examples.\n"
      << std::flush;
}

// How to do what Vault's program has a command for and this one has not.
constexpr std::pair<std::string_view, std::string_view> kByHttp[] = {
    {"auth", "GET /v1/sys/auth"},
    {"kv enable-versioning",
     "POST /v1/sys/mounts/MOUNT/tune with {\"options\":{\"version\":\"2\"}}"},
    {"kv rollback", "GET /v1/MOUNT/data/NAME?version=N, and a PUT of that data"},
    {"lease", "PUT /v1/sys/leases/lookup, renew or revoke"},
    {"path-help", "GET /v1/PATH?help=1"},
    {"plugin",
     "GET /v1/sys/plugins/catalog, PUT or DELETE /v1/sys/plugins/catalog/secret/NAME to register "
     "and deregister, or PUT /v1/sys/plugins/reload/backend"},
    {"secrets tune", "POST /v1/sys/mounts/MOUNT/tune"},
    {"read", "GET /v1/PATH"},
    {"write", "PUT /v1/PATH"},
    {"list", "LIST /v1/PATH"},
    {"delete", "DELETE /v1/PATH"},
    {"token",
     "POST /v1/auth/token/create, lookup, renew or revoke, or GET /v1/auth/token/lookup-self"},
    {"policy", "PUT, GET or DELETE /v1/sys/policies/acl/NAME, or LIST /v1/sys/policies/acl"}};

std::string AdviceAbout(std::string_view wanted) {
  if (wanted == "login") return "Set VAULT_TOKEN to the token, or write it to ~/.vault-token.\n\n";
  for (const auto& [name, request] : kByHttp) {
    if (name != wanted) continue;
    return Concat("Over HTTP, with the header X-Vault-Token, it is ", request,
                  ", which is what vault ", name, " sends.\n\n");
  }
  return "";
}

}  // namespace

int Dispatch(std::string_view family, const std::vector<Command>& commands, Terminal& terminal,
             std::vector<std::string> arguments) {
  if (arguments.size() > 1 && IsHelp(arguments.front())) {
    arguments.erase(arguments.begin());
    arguments.insert(arguments.begin() + 1, "-h");
  }
  const std::string wanted = arguments.empty() ? "" : arguments.front();
  for (const Command& command : commands) {
    if (command.name == wanted)
      return command.run(terminal, {arguments.begin() + 1, arguments.end()});
  }
  if (IsHelp(wanted)) {
    ListCommands(family, commands, *terminal.out);
    return kSuccess;
  }
  if (!wanted.empty()) *terminal.err << "There is no command \"" << family << wanted << "\".\n\n";
  *terminal.err << AdviceAbout(Concat(family, wanted));
  ListCommands(family, commands, *terminal.err);
  return family.empty() ? kUnknownCommand : kUsageError;
}

}  // namespace belfry::cli
