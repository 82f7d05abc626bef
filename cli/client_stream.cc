#include "cli/client_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/verify_context.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>
#include <chrono>
#include <memory>
#include <string_view>

#include "absl/strings/ascii.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::string_view kWhereItIs = " (-address, BELFRY_ADDR or VAULT_ADDR says where it is)";
constexpr int kMostNames = 5;

// "cannot reach the server at 127.0.0.1:8200: Connection refused (-address, BELFRY_ADDR …)".
absl::Status Unreachable(const Connection& connection, const error_code& error) {
  return absl::UnavailableError(Concat("cannot reach the server at ", connection.Authority(), ": ",
                                       error.message(), kWhereItIs));
}

bool IsTls(const error_code& error) {
  return error.category() == asio::error::get_ssl_category();
}

int ReasonOf(const error_code& error) {
  return ERR_GET_REASON(static_cast<unsigned long>(error.value()));
}

// The peer, or the network, has ended the connection.
bool IsEnd(const error_code& error) {
  return error.category() == boost::system::system_category() ||
         error.category() == asio::error::get_misc_category() ||
         error == http::error::end_of_stream || error == http::error::partial_message ||
         error == asio::ssl::error::stream_truncated;
}

// Runs one asynchronous operation to its end.
template <typename Start>
error_code Await(asio::io_context& context, Start start) {
  std::optional<error_code> result;
  start([&result](error_code error) { result = error; });
  context.restart();
  while (!result) context.run_one();
  return *result;
}

// One name of a certificate; empty for what a terminal must not show.
std::string NameText(const GENERAL_NAME& name) {
  if (name.type != GEN_DNS && name.type != GEN_IPADD) return "";
  const ASN1_STRING* const value = name.type == GEN_DNS ? name.d.dNSName : name.d.iPAddress;
  const unsigned char* const bytes = ASN1_STRING_get0_data(value);
  const auto size = static_cast<std::size_t>(ASN1_STRING_length(value));
  if (name.type == GEN_DNS)
    return std::all_of(bytes, bytes + size, absl::ascii_isgraph) ? std::string(bytes, bytes + size)
                                                                 : "";
  asio::ip::address_v4::bytes_type v4;
  asio::ip::address_v6::bytes_type v6;
  if (size == v4.size()) {
    std::copy_n(bytes, size, v4.begin());
    return asio::ip::address_v4(v4).to_string();
  }
  if (size != v6.size()) return "";
  std::copy_n(bytes, size, v6.begin());
  return asio::ip::address_v6(v6).to_string();
}

// "localhost, 10.0.0.1"; empty if the certificate has no names.
std::string NamesIn(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  std::string text;
  for (int i = 0, shown = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string name = NameText(*sk_GENERAL_NAME_value(names.get(), i));
    if (name.empty()) continue;
    if (shown++ == kMostNames) return text + ", …";
    text += Concat(text.empty() ? "" : ", ", name);
  }
  return text;
}

}  // namespace

absl::Status TimedOut(const Connection& connection, absl::Duration timeout) {
  return absl::DeadlineExceededError(Concat("the server at ", connection.Authority(),
                                            " did not answer within ",
                                            absl::FormatDuration(timeout)));
}

absl::Status ClientStream::Connect(absl::Duration timeout) {
  tcp::resolver resolver(context_);
  error_code error;
  const auto endpoints =
      resolver.resolve(connection_.host, std::to_string(connection_.port), error);
  if (error) return Unreachable(connection_, error);
  tcp_.expires_after(absl::ToChronoNanoseconds(timeout));
  error = Await(context_, [&](auto done) {
    tcp_.async_connect(endpoints, [done](error_code result, const auto&) { done(result); });
  });
  if (error == beast::error::timeout) return TimedOut(connection_, timeout);
  if (error) return Unreachable(connection_, error);
  if (!connection_.tls) return absl::OkStatus();

  if (absl::Status status = StartTls(); !status.ok()) return status;
  error = Await(context_,
                [this](auto done) { tls_->async_handshake(asio::ssl::stream_base::client, done); });
  if (error == beast::error::timeout) return TimedOut(connection_, timeout);
  return error ? HandshakeFailed(error) : absl::OkStatus();
}

std::string ClientStream::PeerName() const {
  std::string name =
      connection_.tls->server_name.empty() ? connection_.host : connection_.tls->server_name;
  if (name.ends_with('.')) name.pop_back();  // No certificate has it.
  return name;
}

absl::Status ClientStream::StartTls() {
  ERR_clear_error();
  ssl_ = SSL_new(connection_.tls->context.get());
  const auto unusable = [](std::string_view what) {
    const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
    return absl::InternalError(
        Concat("cannot use TLS", what, ": ", reason == nullptr ? "unknown reason" : reason));
  };
  if (ssl_ == nullptr) return unusable("");
  tls_.emplace(tcp_, ssl_);

  const std::string name = PeerName();
  X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl_);
  X509_VERIFY_PARAM_set_hostflags(
      rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  error_code not_ip;
  const asio::ip::address ip = asio::ip::make_address(name, not_ip);
  bool named = false;
  if (not_ip) {
    named = X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size()) == 1 &&
            SSL_set_tlsext_host_name(ssl_, name.c_str()) == 1;
  } else if (ip.is_v4()) {
    named = X509_VERIFY_PARAM_set1_ip(rules, ip.to_v4().to_bytes().data(), 4) == 1;
  } else {
    named = X509_VERIFY_PARAM_set1_ip(rules, ip.to_v6().to_bytes().data(), 16) == 1;
  }
  if (!named) return unusable(Concat(" with the server name ", name));
  tls_->set_verify_callback([this](bool trusted, asio::ssl::verify_context& verified) {
    X509_STORE_CTX* const store = verified.native_handle();
    const int why = X509_STORE_CTX_get_error(store);
    if (why == X509_V_ERR_HOSTNAME_MISMATCH || why == X509_V_ERR_IP_ADDRESS_MISMATCH)
      names_of_another_ = NamesIn(X509_STORE_CTX_get_current_cert(store));
    return trusted;
  });
  SSL_set_cert_cb(
      ssl_,
      [](SSL*, void* asked) {
        *static_cast<bool*>(asked) = true;
        return 1;
      },
      &asked_for_certificate_);
  return absl::OkStatus();
}

absl::Status ClientStream::Untrusted(long why) const {
  const auto untrusted = [this](std::string_view what) {
    return absl::UnavailableError(
        Concat("cannot trust the server at ", connection_.Authority(), ": its certificate ", what));
  };
  switch (why) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return untrusted(
          "is signed by an unknown authority; to trust that authority, set VAULT_CACERT or "
          "-ca-cert to its PEM file");
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      if (names_of_another_.empty()) {
        return untrusted(
            "has no subject alternative name, and its common name does not count: issue it again "
            "with one");
      }
      return untrusted(Concat("is for ", names_of_another_, " and not for ", PeerName(),
                              "; use an address that it is for, or say whose it must be with "
                              "VAULT_TLS_SERVER_NAME or -tls-server-name"));
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return untrusted(
          "or that of its authority has expired; renew it, or correct this machine's clock");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return untrusted(
          "or that of its authority is not valid yet; correct this machine's clock, or wait");
    default:
      return untrusted(Concat("is invalid: ", X509_verify_cert_error_string(why)));
  }
}

absl::Status ClientStream::HandshakeFailed(const error_code& error) const {
  const std::string authority = connection_.Authority();
  if (RefusesCertificate(error)) return CertificateRefused(error);
  if (IsTls(error) && ReasonOf(error) == SSL_R_CERTIFICATE_VERIFY_FAILED)
    return Untrusted(SSL_get_verify_result(ssl_));
  if (IsTls(error) && ReasonOf(error) == SSL_R_WRONG_VERSION_NUMBER) {
    return absl::UnavailableError(Concat("the server at ", authority, " speaks no TLS: use http://",
                                         authority, " (-address, BELFRY_ADDR or VAULT_ADDR)"));
  }
  return absl::UnavailableError(
      Concat("the TLS handshake with the server at ", authority, " failed: ", error.message(),
             IsEnd(error) ? Concat("; if it speaks no TLS, use http://", authority) : ""));
}

bool ClientStream::HasCertificate() const {
  return SSL_get_certificate(ssl_) != nullptr;
}

bool ClientStream::RefusesCertificate(const error_code& error) const {
  if (!asked_for_certificate_ || !IsTls(error)) return false;
  switch (ReasonOf(error) - SSL_AD_REASON_OFFSET) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

absl::Status ClientStream::CertificateRefused(const error_code& error) const {
  const std::string server = Concat("the server at ", connection_.Authority());
  if (!HasCertificate()) {
    return absl::PermissionDeniedError(
        Concat(server,
               " demands a client certificate: set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY, or "
               "-client-cert and -client-key"));
  }
  return absl::PermissionDeniedError(
      Concat(server, " refuses the client certificate: ", error.message(),
             "; use one of an authority that it trusts (VAULT_CLIENT_CERT or -client-cert)"));
}

absl::Status ClientStream::Unanswered(const error_code& error) const {
  if (RefusesCertificate(error)) return CertificateRefused(error);
  if (!IsEnd(error)) {
    return absl::UnavailableError(Concat("the answer of the server at ", connection_.Authority(),
                                         " cannot be used: ", error.message(), kWhereItIs));
  }
  // A server that ends the connection at once may take its reason with it.
  const bool lacks_certificate = asked_for_certificate_ && !HasCertificate();
  return absl::UnavailableError(Concat(
      "the connection to the server at ", connection_.Authority(),
      " broke before it had answered: ", error.message(),
      lacks_certificate ? "; it had asked for a client certificate: set VAULT_CLIENT_CERT and "
                          "VAULT_CLIENT_KEY, or -client-cert and -client-key"
                        : ""));
}

}  // namespace belfry::cli
