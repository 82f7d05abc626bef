#include "server/http/tls_context.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/text.h"

namespace belfry::http {
namespace {

constexpr std::string_view kCertificateSetting = "tls_cert_file";
constexpr std::string_view kKeySetting = "tls_key_file";
constexpr std::string_view kClientCaSetting = "tls_client_ca_file";
// All authorities that a system trusts take up a quarter of it.
constexpr std::size_t kMaxFileBytes = 1024 * 1024;

constexpr char kCiphers12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kCiphers13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr char kGroups[] = "X25519:P-256:P-384";
// At least 112 bits: RSA and DSA keys of 2048, elliptic curves of 224, and no SHA-1.
constexpr int kSecurityLevel = 2;
// What is spoken here, each with its length. Clients that only speak HTTP/1.0 may say so, too.
constexpr unsigned char kProtocols[] = "\x08http/1.1\x08http/1.0";
constexpr unsigned kProtocolsSize = sizeof kProtocols - 1;

using Certificates = std::vector<OpenSslPtr<X509>>;

// Wipes what it holds.
class FileContent {
 public:
  FileContent() = default;
  ~FileContent() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }
  FileContent(const FileContent&) = delete;
  FileContent& operator=(const FileContent&) = delete;

  // 0 or an errno.
  int Read(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return errno;
    // At once, so that no part of it stays behind when a string grows.
    bytes_.resize(kMaxFileBytes + 1);
    std::size_t size = 0;
    int error = 0;
    while (size < bytes_.size()) {
      const ssize_t read = ::read(file, bytes_.data() + size, bytes_.size() - size);
      if (read < 0 && errno == EINTR) continue;
      if (read < 0) error = errno;
      if (read <= 0) break;
      size += static_cast<std::size_t>(read);
    }
    ::close(file);
    if (error == 0 && size > kMaxFileBytes) error = EFBIG;
    bytes_.resize(size);
    return error;
  }

  // Reads what is here, which must outlive it.
  OpenSslPtr<BIO> Reader() const {
    return OpenSslPtr<BIO>(BIO_new_mem_buf(bytes_.data(), static_cast<int>(bytes_.size())));
  }

 private:
  std::string bytes_;
};

absl::Status Invalid(std::string_view setting, std::initializer_list<std::string_view> what) {
  return absl::InvalidArgumentError(Concat({setting, ": ", Concat(what)}));
}

absl::Status ReadFile(std::string_view setting, const std::string& path, FileContent& content) {
  if (path.empty()) {
    return Invalid(setting, {"is missing; TLS needs a certificate and its key, each in a file"});
  }
  const int error = content.Read(path);
  if (error == 0) return absl::OkStatus();
  if (error == EFBIG) return Invalid(setting, {path, " is larger than 1 MiB; name a PEM file"});
  const std::string failed = Concat({setting, ": cannot read ", path, ": ", std::strerror(error)});
  if (error == ENOENT) return absl::NotFoundError(failed);
  if (error == EACCES || error == EPERM) {
    return absl::PermissionDeniedError(failed + "; let the server's user read it");
  }
  return absl::UnavailableError(failed);
}

absl::StatusOr<Certificates> ReadCertificates(std::string_view setting, const std::string& path) {
  FileContent content;
  const absl::Status read = ReadFile(setting, path, content);
  if (!read.ok()) return read;
  const OpenSslPtr<BIO> reader = content.Reader();
  Certificates certificates;
  ERR_clear_error();
  while (X509* const next = PEM_read_bio_X509(reader.get(), nullptr, nullptr, nullptr)) {
    certificates.emplace_back(next);
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return Invalid(setting, {"certificate ", std::to_string(certificates.size() + 1), " in ", path,
                             " is damaged (", OpenSslReason(), "); replace the file"});
  }
  if (certificates.empty()) {
    return Invalid(setting, {path,
                             " holds no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\"); "
                             "one in DER form can be converted: openssl x509 -inform DER -in ",
                             path});
  }
  return certificates;
}

// There is nobody to ask for a passphrase; notes that one would be needed.
int NoPassphrase(char*, int, int, void* needed) {
  *static_cast<bool*>(needed) = true;
  return -1;
}

absl::StatusOr<OpenSslPtr<EVP_PKEY>> ReadKey(const std::string& path) {
  FileContent content;
  const absl::Status read = ReadFile(kKeySetting, path, content);
  if (!read.ok()) return read;
  const OpenSslPtr<BIO> reader = content.Reader();
  bool encrypted = false;
  ERR_clear_error();
  OpenSslPtr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(reader.get(), nullptr, &NoPassphrase, &encrypted));
  if (key) return key;
  if (encrypted) {
    return Invalid(kKeySetting, {"the key in ", path,
                                 " is encrypted, and there is nobody to ask for its passphrase; "
                                 "decrypt it: openssl pkey -in ",
                                 path});
  }
  return Invalid(kKeySetting, {path,
                               " holds no private key in PEM form (\"-----BEGIN PRIVATE "
                               "KEY-----\"); one in DER form can be converted: openssl pkey "
                               "-inform DER -in ",
                               path});
}

absl::Time ToTime(const ASN1_TIME* time) {
  std::tm fields{};
  ASN1_TIME_to_tm(time, &fields);
  return absl::FromTM(fields, absl::UTCTimeZone());
}

std::string ToText(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

void WarnOfTimes(X509* certificate, const std::string& path, absl::Time now, const Logger& logger) {
  const absl::Time begin = ToTime(X509_get0_notBefore(certificate));
  const absl::Time end = ToTime(X509_get0_notAfter(certificate));
  if (now < begin) {
    logger.Warn("the TLS certificate is not valid yet; clients will refuse it",
                {{"file", path}, {"valid_from", ToText(begin)}});
  } else if (end < now) {
    logger.Warn("the TLS certificate has expired; clients will refuse it: replace and reload it",
                {{"file", path}, {"expired", ToText(end)}});
  }
}

void WarnOfReaders(const std::string& path, const Logger& logger) {
  using std::filesystem::perms;
  std::error_code ignored;
  const perms given = std::filesystem::status(path, ignored).permissions();
  if (ignored || (given & (perms::others_read | perms::others_write)) == perms::none) return;
  logger.Warn("every user of this machine may read or write the TLS key: chmod o-rw",
              {{"file", path}});
}

absl::Status UseCertificate(SSL_CTX* context, const TlsOptions& options, absl::Time now,
                            const Logger& logger) {
  const std::string& path = options.certificate_file;
  absl::StatusOr<Certificates> chain = ReadCertificates(kCertificateSetting, path);
  if (!chain.ok()) return chain.status();
  const absl::StatusOr<OpenSslPtr<EVP_PKEY>> key = ReadKey(options.key_file);
  if (!key.ok()) return key.status();
  X509* const own = chain->front().get();
  if (X509_check_private_key(own, key->get()) != 1) {
    return Invalid(kKeySetting, {"the key in ", options.key_file,
                                 " does not belong to the first certificate in ", path,
                                 "; name its key, and put the server's own certificate before "
                                 "those that have signed it"});
  }
  if (SSL_CTX_use_certificate(context, own) != 1) {
    return Invalid(kCertificateSetting, {"the certificate in ", path,
                                         " cannot be used: ", OpenSslReason(), "; replace it"});
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1) {
      return Invalid(kCertificateSetting, {"certificate ", std::to_string(i + 1), " in ", path,
                                           " cannot be used: ", OpenSslReason()});
    }
  }
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1) {
    return Invalid(kKeySetting,
                   {"the key in ", options.key_file, " cannot be used: ", OpenSslReason()});
  }
  WarnOfTimes(own, path, now, logger);
  WarnOfReaders(options.key_file, logger);
  return absl::OkStatus();
}

absl::Status AskClients(SSL_CTX* context, const TlsOptions& options) {
  const bool required = options.without_certificate == TlsOptions::WithoutCertificate::kRefused;
  if (options.client_ca_file.empty()) {
    if (!required) return absl::OkStatus();
    return Invalid(kClientCaSetting,
                   {"is missing; what clients' certificates are required for must be known by "
                    "whose signature they have"});
  }
  const absl::StatusOr<Certificates> authorities =
      ReadCertificates(kClientCaSetting, options.client_ca_file);
  if (!authorities.ok()) return authorities.status();
  X509_STORE* const trusted = SSL_CTX_get_cert_store(context);
  for (const OpenSslPtr<X509>& authority : *authorities) {
    // The names tell a client which of its certificates to show.
    if (X509_STORE_add_cert(trusted, authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return Invalid(kClientCaSetting, {"a certificate in ", options.client_ca_file,
                                        " cannot be used: ", OpenSslReason()});
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  return absl::OkStatus();
}

// Refuses those that speak none of ours, as Go does, rather than talk past them.
int SelectProtocol(SSL*, const unsigned char** selected, unsigned char* selected_size,
                   const unsigned char* offered, unsigned offered_size, void*) {
  unsigned char* out = nullptr;
  const int result =
      SSL_select_next_proto(&out, selected_size, kProtocols, kProtocolsSize, offered, offered_size);
  *selected = out;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int NumberOf(TlsVersion version) {
  return version == TlsVersion::k12 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

bool SetRules(SSL_CTX* context, const TlsOptions& options) {
  SSL_CTX_set_security_level(context, kSecurityLevel);
  // Our order of ciphers: clients whose OpenSSL puts AES-256 first would have each record cost
  // more.
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  // A connection that is idle keeps no buffers for records.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, &SelectProtocol, nullptr);
  return SSL_CTX_set_num_tickets(context, 0) == 1 &&
         SSL_CTX_set_min_proto_version(context, NumberOf(options.min_version)) == 1 &&
         SSL_CTX_set_max_proto_version(context, NumberOf(options.max_version)) == 1 &&
         SSL_CTX_set_cipher_list(context, kCiphers12) == 1 &&
         SSL_CTX_set_ciphersuites(context, kCiphers13) == 1 &&
         SSL_CTX_set1_groups_list(context, kGroups) == 1;
}

absl::StatusOr<OpenSslPtr<SSL_CTX>> NewContext(const TlsOptions& options, absl::Time now,
                                               const Logger& logger) {
  if (options.max_version < options.min_version) {
    return absl::InvalidArgumentError("tls_max_version is below tls_min_version");
  }
  ERR_clear_error();
  OpenSslPtr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()));
  if (!context || !SetRules(context.get(), options)) {
    return absl::InternalError("OpenSSL cannot be set up for TLS: " + OpenSslReason());
  }
  absl::Status status = UseCertificate(context.get(), options, now, logger);
  if (status.ok()) status = AskClients(context.get(), options);
  if (!status.ok()) return status;
  return context;
}

}  // namespace

TlsContext::TlsContext(TlsOptions options, const Clock* clock, Logger logger)
    : options_(std::move(options)), clock_(clock), logger_(std::move(logger)) {}

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Load(TlsOptions options, const Clock* clock,
                                                             Logger logger) {
  std::unique_ptr<TlsContext> context(new TlsContext(std::move(options), clock, std::move(logger)));
  const absl::Status loaded = context->Reload();
  if (!loaded.ok()) return loaded;
  return context;
}

absl::Status TlsContext::Reload() {
  absl::StatusOr<OpenSslPtr<SSL_CTX>> context = NewContext(options_, clock_->Now(), logger_);
  if (!context.ok()) return context.status();
  // What is replaced goes after the lock.
  MutexLock lock(&mutex_);
  current_.swap(*context);
  return absl::OkStatus();
}

OpenSslPtr<SSL> TlsContext::NewConnection() const {
  MutexLock lock(&mutex_);
  OpenSslPtr<SSL> ssl(SSL_new(current_.get()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

}  // namespace belfry::http
