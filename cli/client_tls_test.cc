#include "cli/client_tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "cli/client.h"
#include "cli/text.h"
#include "cli/websocket.h"

namespace belfry::cli {
namespace {

using boost::asio::ip::tcp;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

// A certificate that has signed itself.
struct Certificate {
  std::string pem;
  std::string key_pem;
};

std::string Contents(const std::function<void(BIO*)>& write) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()), &BIO_free_all);
  write(bio.get());
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Certificate MakeCertificate(const char* names, int days = 1) {
  const Owned<X509> x509(X509_new(), &X509_free);
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  constexpr long kDay = 24 * 60 * 60;
  X509_set_version(x509.get(), 2);
  X509_gmtime_adj(X509_getm_notBefore(x509.get()), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(x509.get()), days * kDay);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(names), -1, -1, 0);
  X509_set_issuer_name(x509.get(), X509_get_subject_name(x509.get()));
  X509_set_pubkey(x509.get(), key.get());
  X509V3_CTX context;
  X509V3_set_ctx(&context, x509.get(), x509.get(), nullptr, nullptr, 0);
  X509_EXTENSION* const extension =
      X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, names);
  X509_add_ext(x509.get(), extension, -1);
  X509_EXTENSION_free(extension);
  EXPECT_GT(X509_sign(x509.get(), key.get(), EVP_sha256()), 0);
  return {Contents([&](BIO* bio) { PEM_write_bio_X509(bio, x509.get()); }), Contents([&](BIO* bio) {
            PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
          })};
}

// A folder of its own for files, removed at the end.
class Folder {
 public:
  Folder() { EXPECT_NE(::mkdtemp(path_.data()), nullptr); }
  ~Folder() { std::filesystem::remove_all(path_); }

  std::string Write(std::string_view name, std::string_view content) const {
    std::string file = Concat(path_, "/", name);
    std::ofstream(file, std::ios::binary) << content;
    return file;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = ::testing::TempDir() + "/belfry_cli_XXXXXX";
};

// The server's end of one TLS connection: answers one request, then cuts the connection without
// TLS's own end.
class TlsServer {
 public:
  using Setup = std::function<void(SSL_CTX*)>;
  explicit TlsServer(
      const Certificate& certificate, const Setup& setup = [](SSL_CTX*) {})
      : context_(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free) {
    const Owned<BIO> pem(BIO_new_mem_buf(certificate.pem.data(), -1), &BIO_free_all);
    const Owned<X509> x509(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr), &X509_free);
    const Owned<BIO> key_pem(BIO_new_mem_buf(certificate.key_pem.data(), -1), &BIO_free_all);
    const Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, nullptr, nullptr),
                              &EVP_PKEY_free);
    SSL_CTX_use_certificate(context_.get(), x509.get());
    SSL_CTX_use_PrivateKey(context_.get(), key.get());
    setup(context_.get());
    thread_ = std::thread([this] { Serve(); });
  }
  ~TlsServer() { Join(); }

  std::string Address(std::string_view host = "127.0.0.1") const {
    return Concat("https://", host, ":", acceptor_.local_endpoint().port());
  }
  // What was asked, and by which name; waits until the connection has ended.
  const std::string& Request() {
    Join();
    return request_;
  }
  const std::string& ServerName() {
    Join();
    return server_name_;
  }

 private:
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  void Serve() {
    tcp::socket socket = acceptor_.accept();
    const Owned<SSL> ssl(SSL_new(context_.get()), &SSL_free);
    SSL_set_fd(ssl.get(), socket.native_handle());
    if (SSL_accept(ssl.get()) == 1) {
      const char* const name = SSL_get_servername(ssl.get(), TLSEXT_NAMETYPE_host_name);
      server_name_ = name == nullptr ? "" : name;
      char chunk[4096];
      while (request_.find("\r\n\r\n") == std::string::npos) {
        const int read = SSL_read(ssl.get(), chunk, sizeof chunk);
        if (read <= 0) break;
        request_.append(chunk, static_cast<std::size_t>(read));
      }
      constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
      if (!request_.empty()) SSL_write(ssl.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
    }
    ERR_clear_error();
    // Until the client has ended the connection, so that it gets what was sent.
    boost::system::error_code error;
    socket.shutdown(tcp::socket::shutdown_send, error);
    char rest[256];
    while (!error) socket.read_some(boost::asio::buffer(rest), error);
  }

  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  const Owned<SSL_CTX> context_;
  std::string request_;
  std::string server_name_;
  std::thread thread_;
};

class ClientTlsTest : public ::testing::Test {
 protected:
  absl::StatusOr<Connection> Connect(const std::string& address, const TlsFlags& flags = {}) const {
    Terminal terminal;
    terminal.environment = [this](const char* name) {
      const auto it = environment.find(name);
      return it == environment.end() ? std::nullopt : std::optional(it->second);
    };
    return ConnectionFrom(terminal, address, "", flags);
  }
  // How one request ends.
  absl::Status Ask(const std::string& address, const TlsFlags& flags = {}) const {
    const absl::StatusOr<Connection> connection = Connect(address, flags);
    if (!connection.ok()) return connection.status();
    return Client(*connection).Send("PUT", "x", "", "{}").status();
  }
  std::string Refused(const TlsFlags& flags = {}) const {
    const absl::Status status = Connect("https://127.0.0.1:1", flags).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }

  std::map<std::string, std::string> environment = {{"VAULT_TOKEN", "root"}};
  const Folder folder;
  const Certificate local = MakeCertificate("IP:127.0.0.1");
};

TEST_F(ClientTlsTest, TheDefaultPortOfHttpsIs443) {
  EXPECT_EQ(Connect("https://localhost")->Origin(), "https://localhost:443");
  EXPECT_EQ(Connect("http://localhost")->Origin(), "http://localhost:80");
}

TEST_F(ClientTlsTest, AnUnknownAuthorityIsRefusedBeforeAnythingIsSent) {
  TlsServer server(local);
  const absl::Status refused = Ask(server.Address());
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()),
              AllOf(HasSubstr("is signed by an unknown authority; to trust that authority, set "
                              "VAULT_CACERT or -ca-cert"),
                    Not(HasSubstr("carried out"))));
  EXPECT_THAT(server.Request(), IsEmpty());
}

TEST_F(ClientTlsTest, AuthoritiesComeFromAFileAFolderOrAVariable) {
  const std::string file = folder.Write("ca.pem", local.pem);
  folder.Write("README", "not a certificate");
  using Environment = std::map<std::string, std::string>;
  for (const auto& [variables, flags] : std::initializer_list<std::pair<Environment, TlsFlags>>{
           {{}, {.ca_cert = file}},
           {{}, {.ca_path = folder.path()}},
           {{{"VAULT_CACERT", file}}, {}},
           {{{"VAULT_CACERT", "/nowhere"}, {"BELFRY_CACERT", file}}, {}},
           {{{"VAULT_CAPATH", folder.path()}}, {}},
           {{{"VAULT_CACERT", "/nowhere"}, {"VAULT_CACERT_BYTES", local.pem}}, {}},
           {{{"VAULT_CACERT_BYTES", "rubbish"}}, {.ca_path = folder.path()}},
           {{{"VAULT_SKIP_VERIFY", "T"}}, {}},
           {{{"VAULT_SKIP_VERIFY", "false"}}, {.skip_verify = true}}}) {
    environment = variables;
    environment["VAULT_TOKEN"] = "root";
    TlsServer server(local);
    EXPECT_EQ(Ask(server.Address(), flags), absl::OkStatus());
    EXPECT_THAT(server.Request(), HasSubstr("X-Vault-Token: root"));
  }
}

TEST_F(ClientTlsTest, ACertificateForAnotherIsRefusedWithTheNamesThatItHas) {
  const Certificate other = MakeCertificate("DNS:vault.example,IP:10.0.0.1");
  const std::string file = folder.Write("ca.pem", other.pem);
  TlsServer server(other);
  EXPECT_THAT(std::string(Ask(server.Address(), {.ca_cert = file}).message()),
              HasSubstr("is for vault.example, 10.0.0.1 and not for 127.0.0.1; use an address that "
                        "it is for, or say whose it must be with VAULT_TLS_SERVER_NAME"));
  EXPECT_THAT(server.Request(), IsEmpty());
}

TEST_F(ClientTlsTest, TheServerNameIsAskedForAndChecked) {
  const Certificate named = MakeCertificate("DNS:vault.example");
  const std::string file = folder.Write("ca.pem", named.pem);
  environment["VAULT_TLS_SERVER_NAME"] = "vault.example";
  {
    TlsServer server(named);
    EXPECT_EQ(Ask(server.Address(), {.ca_cert = file}), absl::OkStatus());
    EXPECT_EQ(server.ServerName(), "vault.example");
  }
  TlsServer server(named);
  EXPECT_THAT(
      std::string(
          Ask(server.Address(), {.ca_cert = file, .server_name = "other.example"}).message()),
      HasSubstr("is for vault.example and not for other.example"));
}

TEST_F(ClientTlsTest, AnAddressIsNoServerName) {
  TlsServer server(local);
  EXPECT_EQ(Ask(server.Address(), {.skip_verify = true}), absl::OkStatus());
  EXPECT_EQ(server.ServerName(), "");
}

TEST_F(ClientTlsTest, AnExpiredCertificateIsRefused) {
  const Certificate expired = MakeCertificate("IP:127.0.0.1", -1);
  TlsServer server(expired);
  EXPECT_THAT(
      std::string(Ask(server.Address(), {.ca_cert = folder.Write("ca", expired.pem)}).message()),
      HasSubstr("has expired; renew it"));
}

TEST_F(ClientTlsTest, ADemandForACertificateIsSaidInEitherVersion) {
  const std::string certificate = folder.Write("client.pem", local.pem);
  const std::string key = folder.Write("client.key", local.key_pem);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto demand = [version](SSL_CTX* context) {
      SSL_CTX_set_max_proto_version(context, version);
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    };
    {
      TlsServer server(local, demand);
      const absl::Status refused = Ask(server.Address(), {.skip_verify = true});
      EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
      EXPECT_THAT(std::string(refused.message()),
                  AllOf(HasSubstr("demands a client certificate: set VAULT_CLIENT_CERT and"),
                        Not(HasSubstr("carried out"))));
    }
    {
      TlsServer server(local, demand);
      const absl::Status refused = Ask(
          server.Address(), {.client_cert = certificate, .client_key = key, .skip_verify = true});
      EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
      EXPECT_THAT(std::string(refused.message()), HasSubstr("refuses the client certificate: "));
    }
    TlsServer server(local, [&](SSL_CTX* context) {
      demand(context);
      SSL_CTX_load_verify_file(context, certificate.c_str());
    });
    EXPECT_EQ(
        Ask(server.Address(), {.client_cert = certificate, .client_key = key, .skip_verify = true}),
        absl::OkStatus());
  }
}

TEST_F(ClientTlsTest, AServerWithoutTlsIsSaidToBeOne) {
  boost::asio::io_context context;
  tcp::acceptor acceptor(context, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  std::thread plain([&acceptor] {
    tcp::socket socket = acceptor.accept();
    constexpr std::string_view kAnswer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    boost::system::error_code error;
    socket.write_some(boost::asio::buffer(kAnswer.data(), kAnswer.size()), error);
    char rest[256];
    while (!error) socket.read_some(boost::asio::buffer(rest), error);
  });
  const std::string authority = Concat("127.0.0.1:", acceptor.local_endpoint().port());
  EXPECT_THAT(std::string(Ask("https://" + authority).message()),
              HasSubstr(Concat("speaks no TLS: use http://", authority)));
  plain.join();
}

TEST_F(ClientTlsTest, AWebSocketIsRefusedAndAnsweredOverTlsToo) {
  {
    TlsServer server(local);
    const auto refused = WebSocket::Open(*Connect(server.Address()), "/");
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("unknown authority"));
  }
  TlsServer server(local);
  const auto answered = WebSocket::Open(*Connect(server.Address(), {.skip_verify = true}), "/");
  ASSERT_EQ(answered.status(), absl::OkStatus());
  EXPECT_EQ(std::get<WebSocket::Refusal>(*answered).status, 200);
  EXPECT_THAT(server.Request(), HasSubstr("Upgrade: websocket"));
}

TEST_F(ClientTlsTest, ARedirectKeepsTheScheme) {
  const Connection connection = *Connect("https://h:1");
  EXPECT_EQ(*RedirectTarget(connection, "wss://h:1/v1/a"), "/v1/a");
  EXPECT_THAT(std::string(RedirectTarget(connection, "http://h:1/v1/a").status().message()),
              HasSubstr("redirects to http://h:1, where your token is not sent"));
}

TEST_F(ClientTlsTest, SettingsThatCannotBeUsedAreRefusedByName) {
  const std::string certificate = folder.Write("client.pem", local.pem);
  const std::string key = folder.Write("client.key", local.key_pem);
  EXPECT_EQ(Refused({.ca_cert = "/nowhere"}),
            "-ca-cert: cannot read the file \"/nowhere\": No such file or directory");
  EXPECT_THAT(Refused({.ca_cert = key}), HasSubstr("holds no certificate in PEM form"));
  EXPECT_THAT(Refused({.ca_cert = folder.Write("bad", "-----BEGIN CERTIFICATE-----\n!\n")}),
              HasSubstr("certificate 1 in "));
  EXPECT_THAT(Refused({.ca_path = "/nowhere"}),
              HasSubstr("-ca-path: cannot read the folder \"/nowhere\": No such file"));
  EXPECT_THAT(Refused({.client_cert = certificate}),
              HasSubstr("-client-cert: it needs its key: set VAULT_CLIENT_KEY or -client-key"));
  EXPECT_THAT(Refused({.client_key = key}), HasSubstr("-client-key: it needs its certificate"));
  const std::string other = folder.Write("other.key", MakeCertificate("DNS:other").key_pem);
  EXPECT_THAT(Refused({.client_cert = certificate, .client_key = other}),
              HasSubstr("does not belong to the first certificate in "));
  environment["VAULT_SKIP_VERIFY"] = "yes";
  EXPECT_EQ(Refused(), "VAULT_SKIP_VERIFY must be true or false: \"yes\"");
}

}  // namespace
}  // namespace belfry::cli
