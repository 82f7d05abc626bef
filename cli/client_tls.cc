#include "cli/client_tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/connection.h"
#include "cli/flags.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

struct FreeOpenSsl {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
};
template <typename T>
using OpenSslPtr = std::unique_ptr<T, FreeOpenSsl>;

// A value, and the flag or variable that it comes from. Both are empty when nobody gave it.
struct Setting {
  std::string source;
  std::string value;
};

Setting FlagOrVariable(std::string_view flag, const std::string& value, const Terminal& terminal,
                       std::string_view variable) {
  if (!value.empty()) return {std::string(flag), value};
  EnvironmentSetting found = FindSetting(terminal, variable);
  return {std::move(found.variable), std::move(found.value)};
}

template <typename... Parts>
absl::Status Invalid(const Setting& setting, const Parts&... what) {
  return absl::InvalidArgumentError(Concat(setting.source, ": ", what...));
}

std::string OpenSslReason() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "unknown reason" : reason;
}

absl::StatusOr<OpenSslPtr<BIO>> Open(const Setting& setting, const std::string& path) {
  ERR_clear_error();
  OpenSslPtr<BIO> file(BIO_new_file(path.c_str(), "r"));
  if (file) return file;
  return Invalid(setting, "cannot read the file \"", path,
                 "\": ", std::strerror(ERR_GET_REASON(ERR_peek_error())));
}

// Calls `use` with each certificate in PEM form, and returns how many there were. `where` is for
// messages.
template <typename Use>
absl::StatusOr<int> ForEachCertificate(const Setting& setting, std::string_view where, BIO* from,
                                       Use use) {
  ERR_clear_error();
  int count = 0;
  while (const OpenSslPtr<X509> next{PEM_read_bio_X509(from, nullptr, nullptr, nullptr)}) {
    ++count;
    if (!use(next.get())) {
      return Invalid(setting, "certificate ", count, " in ", where,
                     " cannot be used: ", OpenSslReason());
    }
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return Invalid(setting, "certificate ", count + 1, " in ", where,
                   " is damaged: ", OpenSslReason());
  }
  return count;
}

absl::Status NoCertificate(const Setting& setting, std::string_view where) {
  return Invalid(setting, where,
                 " holds no certificate in PEM form (\"-----BEGIN CERTIFICATE-----\")");
}

absl::StatusOr<int> TrustAllIn(const Setting& setting, std::string_view where, BIO* from,
                               SSL_CTX* context) {
  return ForEachCertificate(setting, where, from, [context](X509* authority) {
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority) == 1;
  });
}

absl::Status TrustFolder(const Setting& setting, SSL_CTX* context) {
  std::error_code error;
  int count = 0;
  for (std::filesystem::directory_iterator entry(setting.value, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code ignored;
    if (!entry->is_regular_file(ignored)) continue;
    const std::string path = entry->path().string();
    const absl::StatusOr<OpenSslPtr<BIO>> file = Open(setting, path);
    if (!file.ok()) return file.status();
    const absl::StatusOr<int> added = TrustAllIn(setting, path, file->get(), context);
    if (!added.ok()) return added.status();
    count += *added;
  }
  if (error)
    return Invalid(setting, "cannot read the folder \"", setting.value, "\": ", error.message());
  return count > 0 ? absl::OkStatus()
                   : NoCertificate(setting, Concat("the folder ", setting.value));
}

// Only one says whom to trust, as in Vault's client: the certificates themselves, else the file,
// else the folder. A flag wins over every variable.
absl::Status SetAuthorities(const Terminal& terminal, const TlsFlags& flags, SSL_CTX* context) {
  const bool flagged = !flags.ca_cert.empty() || !flags.ca_path.empty();
  const EnvironmentSetting bytes = FindSetting(terminal, "CACERT_BYTES");
  Setting setting{bytes.variable, bytes.value};
  if (!flagged && !setting.value.empty()) {
    const OpenSslPtr<BIO> reader(
        BIO_new_mem_buf(setting.value.data(), static_cast<int>(setting.value.size())));
    const absl::StatusOr<int> added = TrustAllIn(setting, "its value", reader.get(), context);
    if (!added.ok()) return added.status();
    return *added > 0 ? absl::OkStatus() : NoCertificate(setting, "its value");
  }
  setting = flagged ? Setting{"-ca-cert", flags.ca_cert}
                    : FlagOrVariable("-ca-cert", "", terminal, "CACERT");
  if (!setting.value.empty()) {
    const absl::StatusOr<OpenSslPtr<BIO>> file = Open(setting, setting.value);
    if (!file.ok()) return file.status();
    const absl::StatusOr<int> added = TrustAllIn(setting, setting.value, file->get(), context);
    if (!added.ok()) return added.status();
    return *added > 0 ? absl::OkStatus() : NoCertificate(setting, setting.value);
  }
  setting = FlagOrVariable("-ca-path", flags.ca_path, terminal, "CAPATH");
  if (!setting.value.empty()) return TrustFolder(setting, context);
  if (SSL_CTX_set_default_verify_paths(context) == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("cannot read the authorities that this system trusts: ", OpenSslReason()));
}

// Nobody is asked for a passphrase; notes that one would be needed.
int NoPassphrase(char*, int, int, void* needed) {
  *static_cast<bool*>(needed) = true;
  return -1;
}

absl::Status UseKey(const Setting& key, const Setting& certificate, SSL_CTX* context) {
  const absl::StatusOr<OpenSslPtr<BIO>> file = Open(key, key.value);
  if (!file.ok()) return file.status();
  bool encrypted = false;
  const OpenSslPtr<EVP_PKEY> read(
      PEM_read_bio_PrivateKey(file->get(), nullptr, &NoPassphrase, &encrypted));
  if (encrypted) {
    return Invalid(key, "the key in ", key.value, " is encrypted; decrypt it: openssl pkey -in ",
                   key.value);
  }
  if (!read) {
    return Invalid(key, key.value,
                   " holds no private key in PEM form (\"-----BEGIN PRIVATE KEY-----\")");
  }
  if (X509_check_private_key(SSL_CTX_get0_certificate(context), read.get()) != 1) {
    return Invalid(key, "the key in ", key.value, " does not belong to the first certificate in ",
                   certificate.value);
  }
  if (SSL_CTX_use_PrivateKey(context, read.get()) == 1) return absl::OkStatus();
  return Invalid(key, "the key in ", key.value, " cannot be used: ", OpenSslReason());
}

absl::Status SetClientCertificate(const Terminal& terminal, const TlsFlags& flags,
                                  SSL_CTX* context) {
  const Setting certificate =
      FlagOrVariable("-client-cert", flags.client_cert, terminal, "CLIENT_CERT");
  const Setting key = FlagOrVariable("-client-key", flags.client_key, terminal, "CLIENT_KEY");
  if (certificate.value.empty() && key.value.empty()) return absl::OkStatus();
  if (key.value.empty())
    return Invalid(certificate, "it needs its key: set VAULT_CLIENT_KEY or -client-key");
  if (certificate.value.empty())
    return Invalid(key, "it needs its certificate: set VAULT_CLIENT_CERT or -client-cert");
  const absl::StatusOr<OpenSslPtr<BIO>> file = Open(certificate, certificate.value);
  if (!file.ok()) return file.status();
  bool first = true;
  const absl::StatusOr<int> used =
      ForEachCertificate(certificate, certificate.value, file->get(), [&](X509* one) {
        return std::exchange(first, false) ? SSL_CTX_use_certificate(context, one) == 1
                                           : SSL_CTX_add1_chain_cert(context, one) == 1;
      });
  if (!used.ok()) return used.status();
  if (*used == 0) return NoCertificate(certificate, certificate.value);
  return UseKey(key, certificate, context);
}

absl::StatusOr<bool> SkipVerify(const Terminal& terminal, const TlsFlags& flags) {
  if (flags.skip_verify) return *flags.skip_verify;
  const EnvironmentSetting setting = FindSetting(terminal, "SKIP_VERIFY");
  bool skip = false;
  if (setting.value.empty() || ParseGoBool(setting.value, &skip)) return skip;
  return absl::InvalidArgumentError(
      Concat(setting.variable, " must be true or false: \"", setting.value, "\""));
}

}  // namespace

absl::StatusOr<ClientTls> ClientTlsFrom(const Terminal& terminal, const TlsFlags& flags) {
  const absl::StatusOr<bool> skip_verify = SkipVerify(terminal, flags);
  if (!skip_verify.ok()) return skip_verify.status();
  ERR_clear_error();
  const std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1)
    return absl::InternalError(Concat("OpenSSL cannot be set up for TLS: ", OpenSslReason()));
  SSL_CTX_set_verify(context.get(), *skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  // A certificate that is named as an authority is one, even if another has signed it, as in Go.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()), X509_V_FLAG_PARTIAL_CHAIN);
  if (absl::Status status = SetAuthorities(terminal, flags, context.get()); !status.ok())
    return status;
  if (absl::Status status = SetClientCertificate(terminal, flags, context.get()); !status.ok())
    return status;
  return ClientTls{
      .server_name =
          FlagOrVariable("-tls-server-name", flags.server_name, terminal, "TLS_SERVER_NAME").value,
      .context = context};
}

}  // namespace belfry::cli
