#include "sdk/wire/credentials.h"

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace belfry::wire {
namespace {

constexpr int kUnlimited = -1;
// Both sides' certificates are for this name. (plugin-protocol 2.1)
constexpr char kServerName[] = "localhost";

std::shared_ptr<grpc::ChannelCredentials> ClientCredentials(const std::optional<Trust>& trust) {
  if (!trust) return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = trust->peer_certificate_pem;
  options.pem_private_key = trust->own.private_key_pem;
  options.pem_cert_chain = trust->own.certificate_pem;
  return grpc::SslCredentials(options);
}

}  // namespace

std::shared_ptr<grpc::ServerCredentials> ServerCredentials(const std::optional<Trust>& trust) {
  if (!trust) return grpc::InsecureServerCredentials();
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = trust->peer_certificate_pem;
  options.pem_key_cert_pairs.push_back({trust->own.private_key_pem, trust->own.certificate_pem});
  return grpc::SslServerCredentials(options);
}

std::shared_ptr<grpc::Channel> Connect(const std::string& network, const std::string& address,
                                       const std::optional<Trust>& trust) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kUnlimited);
  arguments.SetMaxSendMessageSize(kUnlimited);
  // Two peers may have had the same address with different certificates, one after the other.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A proxy from the environment has no business between two processes of one machine.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  const bool is_unix = network == "unix";
  if (trust && !is_unix) arguments.SetSslTargetNameOverride(kServerName);
  return grpc::CreateCustomChannel(is_unix ? "unix:" + address : address, ClientCredentials(trust),
                                   arguments);
}

}  // namespace belfry::wire
