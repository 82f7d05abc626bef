#include "tests/bench/vault_server.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {
namespace {

constexpr auto kBetweenTries = std::chrono::milliseconds(100);
constexpr int kTries = 300;

std::string Ask(std::uint16_t port, const std::string& token, const std::string& method,
                const std::string& path, const std::string& body) {
  const int socket = ConnectTo(port);
  const std::string answer = Exchange(PlainStream(socket), RequestText(method, path, body, token));
  close(socket);
  return answer;
}

void AskUntilItAnswers(std::uint16_t port, const std::string& token, const std::string& method,
                       const std::string& path, const std::string& body) {
  for (int attempt = 1;; ++attempt) {
    try {
      Ask(port, token, method, path, body);
      return;
    } catch (const std::exception&) {
      if (attempt == kTries) throw;
      std::this_thread::sleep_for(kBetweenTries);
    }
  }
}

}  // namespace

Vault::Vault(const std::string& program) : folder_(NewFolder()), port_(FreePort()) {
  std::filesystem::create_directory(folder_ + "/raft");
  std::ofstream(folder_ + "/vault.hcl")
      << "storage \"raft\" { path = \"" << folder_ << "/raft\" }\n"
      << "listener \"tcp\" {\n  address = \"127.0.0.1:" << port_
      << "\"\n  cluster_address = \"127.0.0.1:" << FreePort() << "\"\n  tls_disable = true\n}\n"
      << "api_addr = \"http://127.0.0.1:" << port_ << "\"\n"
      << "cluster_addr = \"https://127.0.0.1:" << FreePort() << "\"\n"
      << "disable_mlock = true\nlog_level = \"error\"\n";
  server_ = std::make_unique<Child>(
      std::vector<std::string>{program, "server", absl::StrCat("-config=", folder_, "/vault.hcl")});
  server_->LineAfter("server started!");
  Initialize();
}

void Vault::Initialize() {
  const std::string made =
      Ask(port_, "", "PUT", "sys/init", R"({"secret_shares":1,"secret_threshold":1})");
  Ask(port_, "", "PUT", "sys/unseal", absl::StrCat(R"({"key":")", MemberOf(made, "keys"), R"("})"));
  const std::string token = MemberOf(made, "root_token");
  // It becomes the active node some seconds after it has been unsealed.
  AskUntilItAnswers(port_, token, "POST", "auth/token/create",
                    R"({"id":"root","policies":["root"]})");
  // As MountKv mounts it.
  Ask(port_, "root", "POST", "sys/mounts/kv2", R"({"type":"kv","options":{"version":"2"}})");
  // Its kv refuses while it prepares a new mount.
  AskUntilItAnswers(port_, "root", "PUT", "kv2/data/bench/first", R"({"data":{"a":"b"}})");
}

Vault::~Vault() {
  server_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::unique_ptr<Vault> StartVaultIfThereIsOne() {
  const char* const program = std::getenv("BELFRY_BENCH_VAULT");
  return program == nullptr ? nullptr : std::make_unique<Vault>(program);
}

}  // namespace belfry::bench
