#include <boost/json/parse.hpp>
#include <ostream>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/explain_command.h"
#include "cli/text.h"
#include "cli/websocket.h"

namespace belfry::cli {
namespace {

// Whatever ends a subscription is told by this one exit code.
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

std::string ErrorsIn(const std::string& body) {
  Answer answer;
  answer.body = body;
  boost::json::error_code error;
  answer.json = boost::json::parse(body, error);
  if (error) answer.json = nullptr;
  const std::string text = answer.ErrorText();
  const std::size_t first = text.find('\n');
  return first == std::string::npos ? "" : text.substr(first);
}

absl::Status Refused(const WebSocket::Refusal& refusal) {
  if (refusal.status == 404) {
    return absl::NotFoundError(
        "events endpoint not found; check `vault read sys/experiments` to see if an events "
        "experiment is available but disabled");
  }
  return absl::FailedPreconditionError(
      Concat("failed to WebSocket dial: expected handshake response status code 101 but got ",
             refusal.status, ErrorsIn(refusal.body)));
}

// Opens the stream, wherever the servers send us.
absl::StatusOr<Socket> Open(Connection connection, const Subscription& wanted) {
  std::string target =
      connection.Target(Concat("sys/events/subscribe/", wanted.type), Query(wanted));
  for (int attempt = 0; attempt < kMaxRedirects; ++attempt) {
    auto opened = WebSocket::Open(connection, target);
    if (!opened.ok()) return opened.status();
    if (auto* socket = std::get_if<Socket>(&*opened)) return std::move(*socket);
    const auto& refusal = std::get<WebSocket::Refusal>(*opened);
    if (refusal.status != 307) return Refused(refusal);
    if (absl::Status status = SetAddress(refusal.location, &connection); !status.ok())
      return status;
    target = connection.base_path;
  }
  return absl::FailedPreconditionError("too many redirects");
}

// Prints events until the stream ends or nobody reads any more.
int Print(WebSocket& socket, Terminal& terminal) {
  for (;;) {
    absl::StatusOr<std::string> message = socket.Next(terminal.output_descriptor);
    if (absl::IsCancelled(message.status())) return kSuccess;
    if (!message.ok()) return Fail(terminal, message.status(), kStreamEnded);
    *terminal.out << *message;
    if (!message->ends_with('\n')) *terminal.out << '\n';
    *terminal.out << std::flush;
    if (!terminal.out->good()) return kSuccess;
  }
}

int Subscribe(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags("events subscribe [flags] TYPE");
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  Subscription wanted;
  std::vector<std::string> namespaces;
  flags.Add("filter", "Only events for which this expression holds.", &wanted.filter);
  flags.Add("namespaces", "Also events of namespaces that match this pattern; may be repeated.",
            &namespaces);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 1, 1, terminal, &exit_code)) return exit_code;
  wanted.type = flags.arguments().front();
  wanted.filter = std::string(Trimmed(wanted.filter));
  for (const std::string& name : namespaces) wanted.namespaces.push_back(CleanNamespace(name));

  const absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kRequestError);
  absl::StatusOr<Socket> socket = Open(client->connection(), wanted);
  if (!socket.ok()) return Fail(terminal, socket.status(), kStreamEnded);
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
