#include "tests/bench/belfry_server.h"

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {

Belfry::Belfry(const std::string& bin)
    : server_({bin + "/belfry", "server", "-dev", "-dev-root-token-id=root",
               "-dev-listen-address=127.0.0.1:0", "-log-level=error",
               "-dev-plugin-dir=" + bin + "/test-plugins"}),
      port_(PortIn(server_.LineAfter("export VAULT_ADDR="))),
      control_(ConnectTo(port_)) {
  server_.LineAfter("Root Token:");
  Ask("POST", "sys/mounts/bench", R"({"type":"emitter"})");
}

std::string Belfry::Ask(const std::string& method, const std::string& path,
                        const std::string& body) {
  return Call(control_, method, path, body);
}

void Belfry::Emit(std::int64_t count, std::int64_t senders, std::int64_t at_once,
                  std::int64_t paths) {
  Ask("PUT", "bench/emit",
      absl::StrCat("{\"count\":", count, ",\"senders\":", senders, ",\"at_once\":", at_once,
                   ",\"paths\":", paths, "}"));
}

std::string Belfry::CreateToken(const std::string& name, const std::string& policy) {
  Ask("PUT", absl::StrCat("sys/policies/acl/", name),
      absl::StrCat(R"({"policy":")", absl::Base64Escape(policy), R"("})"));
  Ask("POST", "auth/token/create",
      absl::StrCat(R"({"id":"token-)", name, R"(","policies":[")", name, R"("]})"));
  return absl::StrCat("token-", name);
}

void Belfry::Subscribe(Drain& drain, const std::string& token) {
  const int socket = ConnectTo(port_);
  SendAll(socket,
          absl::StrCat("GET /v1/sys/events/subscribe/emitter*?json=true HTTP/1.1\r\nHost: "
                       "127.0.0.1\r\nX-Vault-Token: ",
                       token, "\r\n",
                       "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"));
  std::string rest;
  const std::string head = ReadThrough(socket, "\r\n\r\n", &rest);
  if (!absl::StartsWith(head, "HTTP/1.1 101")) Die(absl::StrCat("no upgrade: ", head));
  drain.Add(socket, NewWebSocketCounter(), rest);
}

}  // namespace belfry::bench
