#include <poll.h>

#include <ostream>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/explain_command.h"
#include "cli/json_text.h"
#include "cli/path.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/websocket.h"

namespace belfry::cli {
namespace {

// The server has ended the stream or refused it. A server that is lost or cannot be reached is
// kRequestError.
constexpr int kStreamEnded = 1;
constexpr int kMaxRedirects = 10;

using Socket = std::unique_ptr<WebSocket>;

struct Subscription {
  std::string type;
  std::string filter;
  std::vector<std::string> namespaces;
};

// In the order of the alphabet, as Vault's client writes them.
std::string Query(const Subscription& wanted) {
  std::string query;
  if (!wanted.filter.empty()) query = Concat("filter=", EncodeQuery(wanted.filter), "&");
  query += "json=true";
  for (const std::string& name : wanted.namespaces)
    query += Concat("&namespaces=", EncodeQuery(name));
  return query;
}

// Without the white space and the slashes around it.
std::string CleanNamespace(std::string_view name) {
  name = Trimmed(name);
  while (name.starts_with('/')) name.remove_prefix(1);
  while (name.ends_with('/')) name.remove_suffix(1);
  return std::string(name);
}

std::string ReasonsIn(const std::string& body) {
  Answer answer{.body = body};
  absl::StatusOr<boost::json::value> parsed = ParseJson(body);
  if (parsed.ok()) answer.json = *std::move(parsed);
  return answer.Reasons();
}

// What the token may lack. A server names the right no more than what it denies.
std::string RightAdvice(std::string_view type, std::string_view reasons) {
  if (reasons.find("permission denied") == std::string_view::npos ||
      reasons.find("invalid token") != std::string_view::npos) {
    return "";
  }
  return Concat("\nthe token needs \"read\" on sys/events/subscribe/", type,
                ": belfry events explain '", type, "'");
}

absl::Status Refused(const WebSocket::Refusal& refusal, const Connection& connection,
                     std::string_view type) {
  if (refusal.status == 404) {
    return absl::NotFoundError(
        "events endpoint not found; check `vault read sys/experiments` to see if an events "
        "experiment is available but disabled");
  }
  const std::string reasons = ReasonsIn(refusal.body);
  std::string advice =
      TokenAdvice(connection, refusal.status) + TlsAdvice(connection, refusal.status, refusal.body);
  if (advice.empty() && refusal.status == 403) advice = RightAdvice(type, reasons);
  return absl::FailedPreconditionError(
      Concat("failed to WebSocket dial: expected handshake response status code 101 but got ",
             refusal.status, reasons, advice));
}

// Opens the stream, wherever on it the server sends us.
absl::StatusOr<Socket> Open(const Connection& connection, const Subscription& wanted,
                            absl::Duration ping_after) {
  std::string target =
      connection.Target(Concat("sys/events/subscribe/", wanted.type), Query(wanted));
  for (int attempt = 0; attempt < kMaxRedirects; ++attempt) {
    auto opened = WebSocket::Open(connection, target, {.ping_after = ping_after});
    if (!opened.ok()) return opened.status();
    if (auto* socket = std::get_if<Socket>(&*opened)) return std::move(*socket);
    const auto& refusal = std::get<WebSocket::Refusal>(*opened);
    if (refusal.status != 307) return Refused(refusal, connection, wanted.type);
    absl::StatusOr<std::string> next = RedirectTarget(connection, refusal.location);
    if (!next.ok()) return next.status();
    target = *std::move(next);
  }
  return absl::FailedPreconditionError("too many redirects");
}

// Whether nobody can read any more from the pipe or socket behind the output.
bool ReaderIsGone(const Terminal& terminal) {
  pollfd output{.fd = terminal.output_descriptor, .events = 0, .revents = 0};
  return output.fd >= 0 && ::poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

int Ended(Terminal& terminal, const absl::Status& status) {
  if (absl::IsCancelled(status)) return kSuccess;
  const bool lost = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  return Fail(terminal, status, lost ? kRequestError : kStreamEnded);
}

// Prints events until the stream ends or cannot be printed any more. That its reader goes is how a
// subscription is ended: no failure.
int Print(WebSocket& socket, Terminal& terminal) {
  for (;;) {
    absl::StatusOr<std::string> message = socket.Next(terminal.output_descriptor);
    if (!message.ok()) return Ended(terminal, message.status());
    *terminal.out << Shown(*message);
    if (!message->ends_with('\n')) *terminal.out << '\n';
    *terminal.out << std::flush;
    if (terminal.out->good()) continue;
    if (!ReaderIsGone(terminal)) return kStreamEnded;
    terminal.out->clear();
    return kSuccess;
  }
}

int Subscribe(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags(
      {.usage = "events subscribe [flags] TYPE",
       .about = R"(Prints the events of a type as they happen, one JSON object a line, until the
server ends the stream or the reader of the output goes away. Only events that the
policies of the token let it see are among them; "belfry events explain" says why.

In TYPE, * stands for any text, also for none: 'kv*' is every event of kv, '*' every
event. Quote it, or the shell takes it for file names. A type that no plugin sends, for
example a misspelt one, is no error: nothing arrives.

Exit codes: 0 when the reader of the output has gone; 1 when the server has refused or
ended the stream; 2 when it cannot be reached or is lost.)",
       .examples = {"belfry events subscribe 'kv*'",
                    "belfry events subscribe -filter='data_path matches "
                    "\"^secret/data/app/\"' kv-v2/data-write",
                    "belfry events subscribe '*' | head -n 1"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered, ClientFlags::Output::kJsonOnly);
  Subscription wanted;
  std::vector<std::string> namespaces;
  flags.Add("filter", "Only events for which this expression holds.", &wanted.filter);
  flags.Add("namespaces", "Also events of namespaces that match this pattern; may be repeated.",
            &namespaces);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 1, 1, terminal, &exit_code)) return exit_code;
  absl::StatusOr<std::string> type = CleanPath(flags.arguments().front(), "TYPE");
  if (!type.ok()) return Fail(terminal, type.status(), kUsageError);
  wanted.type = *std::move(type);
  wanted.filter = std::string(Trimmed(wanted.filter));
  for (const std::string& name : namespaces) wanted.namespaces.push_back(CleanNamespace(name));

  const absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kSettingsError);
  absl::StatusOr<Socket> socket = Open(client->connection(), wanted, terminal.ping_after);
  if (!socket.ok()) return Ended(terminal, socket.status());
  return Print(**socket, terminal);
}

}  // namespace

int RunEvents(Terminal& terminal, const std::vector<std::string>& arguments) {
  return Dispatch("events ",
                  {{"subscribe", "Show events as they happen, one JSON line each", Subscribe},
                   {"explain", "Show which events a token receives, and why", RunExplain}},
                  terminal, arguments);
}

}  // namespace belfry::cli
