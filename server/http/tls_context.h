#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "server/http/openssl.h"
#include "server/http/tls_options.h"

namespace belfry::http {

// The certificate, key and rules of a listener's TLS connections. Thread-safe.
//
// The rules are those that Mozilla calls intermediate: TLS 1.2 and 1.3, forward secrecy and
// authenticated encryption only. Of its ciphers those with finite-field Diffie-Hellman are left
// out: they cost the server most, and what speaks TLS 1.2 has had elliptic curves for long.
// Sessions are not resumed: subscribers stay for days, and the keys of tickets would have to be
// kept, replaced and forgotten like any other.
class TlsContext final {
 public:
  // Reads the files. What has expired by `clock`, which must outlive this, or is not valid yet, is
  // a warning: the server may have to start before it gets a new one.
  //
  // Otherwise the error names the setting, the file and what to do: NotFound, PermissionDenied or
  // Unavailable for a file that cannot be read, InvalidArgument for what is in it, or for options
  // that do not go together.
  static absl::StatusOr<std::unique_ptr<TlsContext>> Load(TlsOptions options, const Clock* clock,
                                                          Logger logger);

  // Reads the files again, for new connections; those that are there keep what they have begun
  // with. On failure, which is as Load's, nothing changes. Reads files: not for a thread that
  // serves connections.
  absl::Status Reload();

  // The server's end of a new connection; null without memory.
  OpenSslPtr<SSL> NewConnection() const;

 private:
  TlsContext(TlsOptions options, const Clock* clock, Logger logger);

  const TlsOptions options_;
  const Clock* const clock_;
  const Logger logger_;
  mutable Mutex mutex_;
  OpenSslPtr<SSL_CTX> current_
      ABSL_GUARDED_BY(mutex_);  // Connections have references of their own.
};

}  // namespace belfry::http
