#include <boost/json/object.hpp>
#include <istream>
#include <ostream>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/json_text.h"
#include "cli/kv_data.h"
#include "cli/kv_mount.h"
#include "cli/kv_output.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace json = boost::json;

// What every kv command begins with: flags, a client, and where the secret is.
class KvCall {
 public:
  KvCall(Help help, ClientFlags::Field field, Terminal& terminal)
      : terminal_(terminal), flags_(std::move(help)), client_flags_(&flags_, field) {
    flags_.Add("mount", "The mount, when the argument is the secret's name alone.", &mount_);
  }

  Flags& flags() { return flags_; }
  const ClientFlags& client_flags() const { return client_flags_; }
  Terminal& terminal() { return terminal_; }
  Client& client() { return *client_; }
  const KvLocation& at() const { return location_; }

  // The arguments after the first.
  std::vector<std::string> Rest() const {
    return {flags_.arguments().begin() + 1, flags_.arguments().end()};
  }

  // False: *exit_code is set and everything has been said.
  bool Begin(const std::vector<std::string>& arguments, std::size_t minimum, std::size_t maximum,
             int* exit_code) {
    if (!ParseOrExplain(flags_, arguments, minimum, maximum, terminal_, exit_code)) return false;
    absl::StatusOr<Client> client = client_flags_.Connect(terminal_);
    if (!client.ok()) return End(client.status(), exit_code);
    client_.emplace(*std::move(client));
    absl::StatusOr<KvLocation> location =
        Locate(*client_, mount_, flags_.arguments().empty() ? "" : flags_.arguments().front());
    if (!location.ok()) return End(location.status(), exit_code);
    location_ = *std::move(location);
    return true;
  }

  // Begin, for a command that only a versioned mount understands.
  bool BeginVersioned(const std::vector<std::string>& arguments, std::string_view command,
                      int* exit_code) {
    if (!Begin(arguments, 1, 1, exit_code)) return false;
    if (location_.versioned) return true;
    *exit_code = Unsupported(command);
    return false;
  }

  // Says that a mount without versions does not understand a command, or a flag of it.
  int Unsupported(std::string_view what) {
    return Fail(terminal_, Concat("kv ", what, " is not supported on KV engine version 1"),
                kUsageError);
  }

  // Asks, and says so when the server refuses.
  absl::StatusOr<Answer> Ask(std::string_view doing, std::string_view method,
                             const std::string& path, std::string_view query = "",
                             const json::object* body = nullptr) {
    return Demand(*client_, Concat(doing, " ", path), method, path, query,
                  body == nullptr ? "" : CompactJson(*body));
  }

  // Prints what a write answered, or that it succeeded.
  int Written(const absl::StatusOr<Answer>& answer, const std::string& path) {
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    ShowWarnings(terminal_, *answer);
    const json::object* data = answer->data();
    if (data == nullptr) return Succeeded(Concat("Data written to: ", path));
    if (!client_flags_.field().empty()) return PrintField(terminal_, *data, client_flags_);
    *terminal_.out << (client_flags_.Json(terminal_) ? Indented(answer->body) + "\n"
                                                     : VersionTables(path, *data))
                   << std::flush;
    return kSuccess;
  }

  int Deleted(const absl::StatusOr<Answer>& answer, const std::string& path) {
    if (!answer.ok()) return Fail(terminal_, answer.status(), kRequestError);
    ShowWarnings(terminal_, *answer);
    return Succeeded(Concat("Data deleted (if it existed) at: ", path));
  }

 private:
  bool End(const absl::Status& status, int* exit_code) {
    *exit_code =
        Fail(terminal_, status, absl::IsInvalidArgument(status) ? kUsageError : kRequestError);
    return false;
  }

  // A sentence for people: there is no JSON for an answer without data.
  int Succeeded(std::string_view what) {
    if (!client_flags_.Json(terminal_)) *terminal_.out << "Success! " << what << std::endl;
    return kSuccess;
  }

  Terminal& terminal_;
  Flags flags_;
  ClientFlags client_flags_;
  std::string mount_;
  std::optional<Client> client_;
  KvLocation location_;
};

// What a kv command's PATH is, for its help.
constexpr char kPathHelp[] =
    R"(PATH is the mount and the secret's name, for example secret/app/db; with -mount it is
the name alone.)";

// What the arguments after PATH are.
constexpr char kDataHelp[] =
    R"(KEY=VALUE is text. KEY=@file takes the text of a file, KEY=- that of standard input;
@file or - alone takes the members of a JSON object. A value that starts with @ is
written \@. A KEY given again becomes a list.)";

constexpr std::size_t kAnyNumber = 1000000;
constexpr int kNoCas = -1;

json::object VersionedBody(json::object secret, int cas) {
  json::object options;
  if (cas != kNoCas) options["cas"] = cas;
  return {{"data", std::move(secret)}, {"options", std::move(options)}};
}

int Put(Terminal& terminal, const std::vector<std::string>& arguments) {
  KvCall call({.usage = "kv put [flags] PATH KEY=VALUE...",
               .about = Concat("Writes a secret, in place of all that it held.\n\n", kPathHelp,
                               "\n\n", kDataHelp),
               .examples = {"belfry kv put secret/app/db user=alice password=@password.txt",
                            "belfry kv put -mount=secret -cas=0 app/new user=alice",
                            "echo '{\"user\":\"alice\"}' | belfry kv put secret/app/db -"}},
              ClientFlags::Field::kOffered, terminal);
  int cas = kNoCas;
  call.flags().Add("cas",
                   "Write only if this is the current version; 0: only if there is none; -1, the "
                   "default: in any case.",
                   &cas, kNoCas);
  int exit_code = kSuccess;
  if (!call.Begin(arguments, 2, kAnyNumber, &exit_code)) return exit_code;
  if (cas != kNoCas && !call.at().versioned) return call.Unsupported("put -cas");
  absl::StatusOr<json::object> secret = ParseSecret(call.Rest(), *terminal.in);
  if (!secret.ok()) return Fail(terminal, secret.status(), kUsageError);
  const json::object body =
      call.at().versioned ? VersionedBody(*std::move(secret), cas) : *std::move(secret);
  const std::string path = call.at().Path("data");
  return call.Written(call.Ask("Error writing data to", "PUT", path, "", &body), path);
}

int NoValue(Terminal& terminal, const std::string& path, const Answer& answer) {
  return Fail(terminal, Concat("No value found at ", path, answer.Reasons()), kRequestError);
}

// Of a secret that has been read. "data" is all of a versioned one, unless it has a value of that
// name.
int ShowField(KvCall& call, const json::object& data, const std::string& path) {
  if (!call.at().versioned) return PrintField(call.terminal(), data, call.client_flags());
  const auto* secret = data.if_contains("data");
  if (secret == nullptr || !secret->is_object())
    return Fail(call.terminal(), Concat("No data found at ", path), kRequestError);
  const bool all = call.client_flags().field() == "data" && !secret->get_object().contains("data");
  return PrintField(call.terminal(), all ? data : secret->get_object(), call.client_flags());
}

// Prints a secret that has been read. A versioned one has its data one level further down.
int ShowSecret(KvCall& call, const Answer& answer, const std::string& path) {
  const json::object* data = answer.data();
  if (data == nullptr) return NoValue(call.terminal(), path, answer);
  ShowWarnings(call.terminal(), answer);
  if (!call.client_flags().field().empty()) return ShowField(call, *data, path);
  const bool json = call.client_flags().Json(call.terminal());
  *call.terminal().out << (json                  ? Indented(answer.body) + "\n"
                           : call.at().versioned ? SecretTables(path, *data)
                                                 : PlainTable(*data))
                       << std::flush;
  return kSuccess;
}

int Get(Terminal& terminal, const std::vector<std::string>& arguments) {
  KvCall call(
      {.usage = "kv get [flags] PATH",
       .about = Concat("Shows a secret.\n\n", kPathHelp),
       .examples = {"belfry kv get secret/app/db", "belfry kv get -field=user secret/app/db",
                    "belfry kv get -version=1 -format=json secret/app/db"}},
      ClientFlags::Field::kOffered, terminal);
  int version = 0;
  call.flags().Add("version", "Which version. 0, the default: the current one.", &version,
                   /*minimum=*/0);
  int exit_code = kSuccess;
  if (!call.Begin(arguments, 1, 1, &exit_code)) return exit_code;
  if (version != 0 && !call.at().versioned) return call.Unsupported("get -version");
  const std::string path = call.at().Path("data");
  const std::string query = version == 0 ? "" : Concat("version=", version);
  const absl::StatusOr<Answer> answer = call.client().Send("GET", path, query);
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  // A deleted version is 404 with its metadata; that is an answer.
  if (answer->status == 404) return ShowSecret(call, *answer, path);
  if (!answer->ok())
    return Fail(terminal, Concat("Error reading ", path, ": ", answer->ErrorText()), kRequestError);
  return ShowSecret(call, *answer, path);
}

// The old way to patch: read, merge here, write on condition that nobody wrote in between.
int ReadThenWrite(KvCall& call, const json::object& changes, const std::string& path) {
  const absl::StatusOr<Answer> read = call.Ask("Error doing pre-read at", "GET", path);
  if (!read.ok()) return Fail(call.terminal(), read.status(), kRequestError);
  const json::object* data = read->data();
  const auto* secret = data == nullptr ? nullptr : data->if_contains("data");
  const auto* metadata = data == nullptr ? nullptr : data->if_contains("metadata");
  const auto* version = metadata == nullptr || !metadata->is_object()
                            ? nullptr
                            : metadata->get_object().if_contains("version");
  if (secret == nullptr || !secret->is_object() || version == nullptr || !version->is_int64()) {
    return Fail(call.terminal(), Concat("No value found at ", path), kRequestError);
  }
  json::object merged = secret->get_object();
  for (const auto& [key, value] : changes) merged[key] = value;
  const json::object body =
      VersionedBody(std::move(merged), static_cast<int>(version->get_int64()));
  return call.Written(call.Ask("Error writing data to", "PUT", path, "", &body), path);
}

int Patch(Terminal& terminal, const std::vector<std::string>& arguments) {
  KvCall call({.usage = "kv patch [flags] PATH KEY=VALUE...",
               .about = Concat("Changes some values of a secret and keeps the others.\n\n",
                               kPathHelp, "\n\n", kDataHelp),
               .examples = {"belfry kv patch secret/app/db password=new",
                            "belfry kv patch -method=rw secret/app/db user=bob"}},
              ClientFlags::Field::kOffered, terminal);
  int cas = kNoCas;
  std::string method;
  call.flags().Add("cas",
                   "Patch only if this is the current version; -1, the default: in any case.", &cas,
                   kNoCas);
  call.flags().Add("method",
                   "patch: the server merges. rw: read, merge here, write. Default: patch, then rw "
                   "if that is refused.",
                   &method);
  int exit_code = kSuccess;
  if (!call.Begin(arguments, 2, kAnyNumber, &exit_code)) return exit_code;
  if (!call.at().versioned)
    return Fail(terminal, "K/V engine mount must be version 2 for patch support", kRequestError);
  if (!method.empty() && method != "patch" && method != "rw") {
    return Fail(
        terminal,
        Concat("Unsupported method provided to -method flag: ", method, ": give patch or rw"),
        kUsageError);
  }
  if (method == "rw" && cas != kNoCas) {
    return Fail(terminal,
                "kv patch -cas is not supported with -method=rw, which checks that nobody has "
                "written since it read",
                kUsageError);
  }
  absl::StatusOr<json::object> changes = ParseSecret(call.Rest(), *terminal.in);
  if (!changes.ok()) return Fail(terminal, changes.status(), kUsageError);
  const std::string path = call.at().Path("data");
  if (method == "rw") return ReadThenWrite(call, *changes, path);

  const std::string body = CompactJson(VersionedBody(*changes, cas));
  const absl::StatusOr<Answer> answer = call.client().Send("PATCH", path, "", body);
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  if (answer->status == 404) return NoValue(terminal, path, *answer);
  if (method.empty() && cas == kNoCas && (answer->status == 405 || answer->status == 403)) {
    if (answer->status == 403)
      *terminal.err << "WARNING! The token may not patch " << path
                    << "; reading and writing instead.\n";
    return ReadThenWrite(call, *changes, path);
  }
  if (!answer->ok())
    return Fail(terminal, Concat("Error writing data to ", path, ": ", answer->ErrorText()),
                kRequestError);
  return call.Written(answer, path);
}

int Delete(Terminal& terminal, const std::vector<std::string>& arguments) {
  KvCall call(
      {.usage = "kv delete [flags] PATH",
       .about = Concat("Deletes the latest version of a secret, or those that -versions names; "
                       "\"belfry kv\nundelete\" brings them back. A secret without versions "
                       "goes for ever.\n\n",
                       kPathHelp),
       .examples = {"belfry kv delete secret/app/db",
                    "belfry kv delete -versions=1,2 secret/app/db"}},
      ClientFlags::Field::kNotOffered, terminal);
  std::vector<std::string> texts;
  call.flags().Add("versions", "These versions instead of the latest: 1,2.", &texts);
  int exit_code = kSuccess;
  if (!call.Begin(arguments, 1, 1, &exit_code)) return exit_code;
  if (!texts.empty() && !call.at().versioned) return call.Unsupported("delete -versions");
  if (texts.empty()) {
    const std::string path = call.at().Path("data");
    return call.Deleted(call.Ask("Error deleting", "DELETE", path), path);
  }
  absl::StatusOr<json::array> versions = ParseVersions(texts);
  if (!versions.ok()) return Fail(terminal, versions.status(), kUsageError);
  const json::object body{{"versions", *std::move(versions)}};
  return call.Deleted(call.Ask("Error deleting", "PUT", call.at().Path("delete"), "", &body),
                      call.at().Path("data"));
}

// `undelete` and `destroy`: the versions named, in the area of that name.
int ChangeVersions(std::string_view command, std::string_view about, Terminal& terminal,
                   const std::vector<std::string>& arguments) {
  KvCall call({.usage = Concat("kv ", command, " -versions=1,2 PATH"),
               .about = Concat(about, "\n\n", kPathHelp),
               .examples = {Concat("belfry kv ", command, " -versions=1,2 secret/app/db")}},
              ClientFlags::Field::kNotOffered, terminal);
  std::vector<std::string> texts;
  call.flags().Add("versions", "Which versions: 1,2.", &texts);
  int exit_code = kSuccess;
  if (!call.BeginVersioned(arguments, command, &exit_code)) return exit_code;
  if (texts.empty())
    return Fail(terminal, "No versions provided, use the \"-versions\" flag to specify them.",
                kUsageError);
  absl::StatusOr<json::array> versions = ParseVersions(texts);
  if (!versions.ok()) return Fail(terminal, versions.status(), kUsageError);
  const json::object body{{"versions", *std::move(versions)}};
  const std::string path = call.at().Path(command);
  return call.Written(call.Ask("Error writing data to", "PUT", path, "", &body), path);
}

int Undelete(Terminal& terminal, const std::vector<std::string>& arguments) {
  return ChangeVersions("undelete", "Brings deleted versions of a secret back.", terminal,
                        arguments);
}
int Destroy(Terminal& terminal, const std::vector<std::string>& arguments) {
  return ChangeVersions("destroy", "Deletes versions of a secret for ever.", terminal, arguments);
}

int List(Terminal& terminal, const std::vector<std::string>& arguments) {
  KvCall call({.usage = "kv list [flags] PATH",
               .about = Concat("Shows the names below a path; one that ends in / has further names "
                               "below it.\n\n",
                               kPathHelp),
               .examples = {"belfry kv list secret/", "belfry kv list -format=json secret/app"}},
              ClientFlags::Field::kNotOffered, terminal);
  int exit_code = kSuccess;
  if (!call.Begin(arguments, 1, 1, &exit_code)) return exit_code;
  const std::string path = call.at().Path("metadata");
  const absl::StatusOr<Answer> answer = call.client().Send("GET", path, "list=true");
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  if (answer->status == 404) {
    if (call.client_flags().Json(terminal)) *terminal.out << "{}" << std::endl;
    return NoValue(terminal, path, *answer);
  }
  if (!answer->ok())
    return Fail(terminal, Concat("Error listing ", path, ": ", answer->ErrorText()), kRequestError);
  const json::object* data = answer->data();
  const auto* keys = data == nullptr ? nullptr : data->if_contains("keys");
  if (keys == nullptr || !keys->is_array())
    return Fail(terminal, Concat("No entries found at ", path), kRequestError);
  if (call.client_flags().Json(terminal)) {
    *terminal.out << JsonText(*keys) << std::endl;
  } else {
    *terminal.out << KeyList(keys->get_array()) << std::flush;
  }
  return kSuccess;
}

int MetadataGet(Terminal& terminal, const std::vector<std::string>& arguments) {
  KvCall call({.usage = "kv metadata get [flags] PATH",
               .about = Concat("Shows the settings and the versions of a secret.\n\n", kPathHelp),
               .examples = {"belfry kv metadata get secret/app/db"}},
              ClientFlags::Field::kOffered, terminal);
  int exit_code = kSuccess;
  if (!call.BeginVersioned(arguments, "metadata get", &exit_code)) return exit_code;
  const std::string path = call.at().Path("metadata");
  const absl::StatusOr<Answer> answer = call.client().Send("GET", path);
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  if (answer->status == 404) return NoValue(terminal, path, *answer);
  if (!answer->ok())
    return Fail(terminal, Concat("Error reading ", path, ": ", answer->ErrorText()), kRequestError);
  const json::object* data = answer->data();
  if (data == nullptr) return Fail(terminal, Concat("No value found at ", path), kRequestError);
  if (!call.client_flags().field().empty()) return PrintField(terminal, *data, call.client_flags());
  *terminal.out << (call.client_flags().Json(terminal) ? Indented(answer->body) + "\n"
                                                       : MetadataTables(path, *data))
                << std::flush;
  return kSuccess;
}

// `metadata put` and `metadata patch`: only the settings that were given.
int ChangeMetadata(std::string_view command, std::string_view method, std::string_view about,
                   Terminal& terminal, const std::vector<std::string>& arguments) {
  KvCall call({.usage = Concat("kv metadata ", command, " [flags] PATH"),
               .about = Concat(about, "\n\n", kPathHelp),
               .examples = {Concat("belfry kv metadata ", command,
                                   " -max-versions=5 -custom-metadata=owner=alice secret/app/db")}},
              ClientFlags::Field::kNotOffered, terminal);
  int max_versions = 0;
  bool cas_required = false;
  std::string delete_version_after;
  std::vector<std::string> custom;
  call.flags().Add("max-versions", "How many versions to keep; 0: the mount's default.",
                   &max_versions, /*minimum=*/0);
  call.flags().Add("cas-required", "Whether every write must name the current version.",
                   &cas_required);
  call.flags().Add("delete-version-after", "How long a version lives, for example 3h.",
                   &delete_version_after);
  call.flags().Add("custom-metadata", "KEY=VALUE to keep beside the secret; may be repeated.",
                   &custom);
  int exit_code = kSuccess;
  if (!call.BeginVersioned(arguments, Concat("metadata ", command), &exit_code)) return exit_code;

  json::object body;
  if (call.flags().Given("max-versions")) body["max_versions"] = max_versions;
  if (call.flags().Given("cas-required")) body["cas_required"] = cas_required;
  if (call.flags().Given("delete-version-after"))
    body["delete_version_after"] = delete_version_after;
  if (!custom.empty()) {
    absl::StatusOr<json::object> pairs = ParsePairs(custom);
    if (!pairs.ok()) return Fail(terminal, pairs.status(), kUsageError);
    body["custom_metadata"] = *std::move(pairs);
  }
  const std::string path = call.at().Path("metadata");
  const absl::StatusOr<Answer> answer = call.client().Send(method, path, "", CompactJson(body));
  if (!answer.ok()) return Fail(terminal, answer.status(), kRequestError);
  if (answer->status == 404) return NoValue(terminal, path, *answer);
  if (!answer->ok())
    return Fail(terminal, Concat("Error writing data to ", path, ": ", answer->ErrorText()),
                kRequestError);
  return call.Written(answer, path);
}

int MetadataPut(Terminal& terminal, const std::vector<std::string>& arguments) {
  return ChangeMetadata("put", "PUT", "Sets the settings of a secret that flags give.", terminal,
                        arguments);
}
int MetadataPatch(Terminal& terminal, const std::vector<std::string>& arguments) {
  return ChangeMetadata(
      "patch", "PATCH",
      "Changes the settings of a secret that flags give; custom metadata is merged.", terminal,
      arguments);
}

int MetadataDelete(Terminal& terminal, const std::vector<std::string>& arguments) {
  KvCall call(
      {.usage = "kv metadata delete [flags] PATH",
       .about = Concat("Deletes a secret with all of its versions, for ever.\n\n", kPathHelp),
       .examples = {"belfry kv metadata delete secret/app/db"}},
      ClientFlags::Field::kNotOffered, terminal);
  int exit_code = kSuccess;
  if (!call.BeginVersioned(arguments, "metadata delete", &exit_code)) return exit_code;
  const std::string path = call.at().Path("metadata");
  return call.Deleted(call.Ask("Error deleting", "DELETE", path), path);
}

int Metadata(Terminal& terminal, const std::vector<std::string>& arguments) {
  return Dispatch("kv metadata ",
                  {{"get", "Show a secret's versions and settings", MetadataGet},
                   {"put", "Set a secret's settings", MetadataPut},
                   {"patch", "Change some of a secret's settings", MetadataPatch},
                   {"delete", "Delete a secret with all its versions", MetadataDelete}},
                  terminal, arguments);
}

}  // namespace

int RunKv(Terminal& terminal, const std::vector<std::string>& arguments) {
  return Dispatch("kv ",
                  {{"put", "Write a secret", Put},
                   {"get", "Show a secret", Get},
                   {"patch", "Change some values of a secret", Patch},
                   {"delete", "Delete the latest version, or those named", Delete},
                   {"undelete", "Bring deleted versions back", Undelete},
                   {"destroy", "Delete versions for ever", Destroy},
                   {"list", "Show the names below a path", List},
                   {"metadata", "Show and change what is kept beside a secret", Metadata}},
                  terminal, arguments);
}

}  // namespace belfry::cli
