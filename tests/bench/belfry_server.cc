#include "tests/bench/belfry_server.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {

namespace {

std::string ConfigurationText(const Configuration& configuration, const std::string& bin,
                              const std::string& folder) {
  const bool tls = configuration.transport == Configuration::Transport::kTls;
  const std::string journal =
      configuration.journal_bytes == 0
          ? ""
          : absl::StrCat("journal { max_bytes = ", configuration.journal_bytes, " }\n");
  return absl::StrCat(journal,
                      configuration.storage == Configuration::Storage::kRocksDb
                          ? absl::StrCat("storage \"rocksdb\" { path = \"", folder, "/data\" }\n")
                          : "storage \"inmem\" {}\n",
                      "listener \"tcp\" {\n  address = \"127.0.0.1:0\"\n",
                      tls ? absl::StrCat("  tls_cert_file = \"", folder,
                                         "/tls.crt\"\n  tls_key_file = \"", folder, "/tls.key\"\n")
                          : "  tls_disable = true\n",
                      "}\nplugin_directory = \"", bin, "/test-plugins\"\nlog_level = \"error\"\n");
}

void MakeCertificate(const std::string& folder) {
  const std::string command = absl::StrCat(
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "
      "/CN=bench "
      "-keyout ",
      folder, "/tls.key -out ", folder, "/tls.crt 2>/dev/null");
  if (std::system(command.c_str()) != 0) Die("openssl has made no certificate");
}

// What came behind the head.
std::string UpgradeStream(const Stream& stream, const std::string& query,
                          const std::string& token) {
  stream.send(
      absl::StrCat("GET /v1/sys/events/subscribe/emitter*?", query,
                   " HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Vault-Token: ", token,
                   "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"));
  std::string rest;
  const std::string head = ReadThrough(stream, "\r\n\r\n", &rest);
  if (!absl::StartsWith(head, "HTTP/1.1 101")) Die(absl::StrCat("no upgrade: ", head));
  return rest;
}

}  // namespace

Belfry::Belfry(const std::string& bin)
    : server_(std::make_unique<Child>(
          std::vector<std::string>{bin + "/belfry", "server", "-dev", "-dev-root-token-id=root",
                                   "-dev-listen-address=127.0.0.1:0", "-log-level=error",
                                   "-dev-plugin-dir=" + bin + "/test-plugins"})),
      port_(PortIn(server_->LineAfter("export VAULT_ADDR="))) {
  server_->LineAfter("Root Token:");
  Connect();
  Ask("POST", "sys/mounts/bench", R"({"type":"emitter"})");
}

Belfry::Belfry(const std::string& bin, const Configuration& configuration)
    : bin_(bin), folder_(NewFolder()), configuration_(configuration) {
  MakeCertificate(folder_);
  std::ofstream(folder_ + "/belfry.hcl") << ConfigurationText(configuration, bin, folder_);
  StartConfigured();
  const std::string made = Ask("PUT", "sys/init", R"({"secret_shares":1,"secret_threshold":1})");
  unseal_key_ = MemberOf(made, "keys");
  Unseal();
  // By the token that there is, the one that every request of a benchmark has.
  AskAs(MemberOf(made, "root_token"), "POST", "auth/token/create",
        R"({"id":"root","policies":["root"]})");
  Ask("POST", "sys/mounts/bench", R"({"type":"emitter"})");
}

Belfry::~Belfry() {
  if (control_ >= 0) close(control_);
  server_.reset();
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

void Belfry::RestartAfterKill() {
  server_->Kill();
  server_.reset();
  StartConfigured();
  Unseal();
}

void Belfry::StartConfigured() {
  server_ = std::make_unique<Child>(std::vector<std::string>{
      bin_ + "/belfry", "server", absl::StrCat("-config=", folder_, "/belfry.hcl")});
  port_ = PortIn(server_->LineAfter("Api Address: "));
  Connect();
}

void Belfry::Unseal() {
  Ask("PUT", "sys/unseal", absl::StrCat(R"({"key":")", unseal_key_, R"("})"));
}

void Belfry::Connect() {
  if (configuration_.transport == Configuration::Transport::kTls) {
    tls_control_ = std::make_unique<TlsConnection>(port_);
    return;
  }
  if (control_ >= 0) close(control_);
  control_ = ConnectTo(port_);
}

std::string Belfry::Ask(const std::string& method, const std::string& path,
                        const std::string& body) {
  return AskAs("root", method, path, body);
}

std::string Belfry::AskAs(const std::string& token, const std::string& method,
                          const std::string& path, const std::string& body) {
  return Exchange(tls_control_ ? tls_control_->stream() : PlainStream(control_),
                  RequestText(method, path, body, token));
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
  if (!tls_control_) {
    const int socket = ConnectTo(port_);
    const std::string rest = UpgradeStream(PlainStream(socket), "json=true", token);
    drain.Add(socket, NewWebSocketCounter(), rest);
    return;
  }
  TlsConnection connection(port_);
  const std::string rest = UpgradeStream(connection.stream(), "json=true", token);
  const int socket = connection.socket();
  std::unique_ptr<MessageCounter> counter = NewWebSocketCounter();
  counter->Count(rest);
  drain.Add(socket, std::move(connection).ReadBy(std::move(counter)), "");
}

void Belfry::SubscribeWith(Drain& drain, const std::string& query) {
  const int socket = ConnectTo(port_);
  const std::string rest = UpgradeStream(PlainStream(socket), query, "root");
  drain.Add(socket, NewWebSocketCounter(), rest);
}

int Belfry::Upgrade(const std::string& query) {
  const int socket = ConnectTo(port_);
  UpgradeStream(PlainStream(socket), query, "root");
  return socket;
}

}  // namespace belfry::bench
