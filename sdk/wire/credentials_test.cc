#include "sdk/wire/credentials.h"

#include <unistd.h>

#include <chrono>

#include "absl/strings/str_cat.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "proto/vault/health.grpc.pb.h"

namespace belfry::wire {
namespace {

class Health final : public ::grpc::health::v1::Health::Service {
  grpc::Status Check(grpc::ServerContext*, const ::grpc::health::v1::HealthCheckRequest* request,
                     ::grpc::health::v1::HealthCheckResponse* response) override {
    response->set_status(::grpc::health::v1::HealthCheckResponse::SERVING);
    return request->service() == "plugin" || request->service().size() > 100
               ? grpc::Status::OK
               : grpc::Status(grpc::StatusCode::NOT_FOUND, "");
  }
};

class CredentialsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = absl::StrCat(::testing::TempDir(), "/credentials_test", ::getpid());
    server_certificate_ = *NewCertificate();
    client_certificate_ = *NewCertificate();
  }
  void TearDown() override {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    ::unlink(path_.c_str());
  }

  void Serve(const std::string& address, const std::optional<Trust>& trust) {
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(-1);
    builder.RegisterService(&health_);
    builder.AddListeningPort(address, ServerCredentials(trust), &port_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }

  static grpc::StatusCode Check(const std::shared_ptr<grpc::Channel>& channel,
                                const std::string& service = "plugin") {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    ::grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    ::grpc::health::v1::HealthCheckResponse response;
    return ::grpc::health::v1::Health::NewStub(channel)
        ->Check(&context, request, &response)
        .error_code();
  }

  std::string path_;
  int port_ = 0;
  Certificate server_certificate_, client_certificate_;
  Health health_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(CredentialsTest, MutualTlsOverAUnixSocket) {
  Serve("unix:" + path_, Trust{server_certificate_, client_certificate_.certificate_pem});
  const Trust trust{client_certificate_, server_certificate_.certificate_pem};
  EXPECT_EQ(Check(Connect("unix", path_, trust)), grpc::StatusCode::OK);
}

TEST_F(CredentialsTest, MutualTlsOverTcpChecksTheNameLocalhost) {
  Serve("127.0.0.1:0", Trust{server_certificate_, client_certificate_.certificate_pem});
  const Trust trust{client_certificate_, server_certificate_.certificate_pem};
  EXPECT_EQ(Check(Connect("tcp", absl::StrCat("127.0.0.1:", port_), trust)), grpc::StatusCode::OK);
}

TEST_F(CredentialsTest, AnotherClientsCertificateIsRefused) {
  Serve("unix:" + path_, Trust{server_certificate_, client_certificate_.certificate_pem});
  const Trust stranger{*NewCertificate(), server_certificate_.certificate_pem};
  EXPECT_EQ(Check(Connect("unix", path_, stranger)), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Check(Connect("unix", path_, std::nullopt)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(CredentialsTest, AnotherServersCertificateIsRefused) {
  Serve("unix:" + path_, Trust{*NewCertificate(), client_certificate_.certificate_pem});
  const Trust trust{client_certificate_, server_certificate_.certificate_pem};
  EXPECT_EQ(Check(Connect("unix", path_, trust)), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(CredentialsTest, PlaintextWithoutTrustAndMessagesOfAnySize) {
  Serve("unix:" + path_, std::nullopt);
  EXPECT_EQ(Check(Connect("unix", path_, std::nullopt), std::string(10 << 20, 'x')),
            grpc::StatusCode::OK);
}

}  // namespace
}  // namespace belfry::wire
