#include <utility>

#include "base/text.h"
#include "server/builtin/json_text.h"
#include "server/process/endpoint.h"

namespace belfry::process {
namespace {

using builtin::Answer;
using builtin::DeclaredField;
using builtin::ErrorAnswer;
using builtin::FieldKind;
using builtin::Fields;
using builtin::JsonAnswer;
using builtin::NoContent;
using builtin::ObjectText;
using builtin::SealRefusal;
using seal::Rekey;

Answer StatusAnswer(const absl::StatusOr<Rekey::Status>& status) {
  if (!status.ok()) return SealRefusal(status.status());
  ObjectText text;
  text.Text("nonce", status->nonce)
      .Bool("started", status->started)
      .Number("t", status->wanted.threshold)
      .Number("n", status->wanted.shares)
      .Number("progress", status->progress)
      .Number("required", status->required)
      .Raw("pgp_fingerprints", "null")
      .Bool("backup", false)
      .Bool("verification_required", status->verification_required);
  if (!status->verification_nonce.empty()) {
    text.Text("verification_nonce", status->verification_nonce);
  }
  return JsonAnswer(200, text.Finish());
}

Answer VerificationAnswer(const absl::StatusOr<Rekey::Status>& status) {
  if (!status.ok()) return SealRefusal(status.status());
  return JsonAnswer(200, ObjectText()
                             .Text("nonce", status->verification_nonce)
                             .Bool("started", true)
                             .Number("t", status->wanted.threshold)
                             .Number("n", status->wanted.shares)
                             .Number("progress", status->verification_progress)
                             .Finish());
}

// Lines about requests are left out when a client sends many; this one is not.
void NoteComplete(const Context& context) {
  context.logger.Warn("a rekey is complete: only the new keys count from now on",
                      {{"remote_address", context.remote_address}});
}

Answer Read(const Context& context, const Fields&) {
  return StatusAnswer(context.lifecycle.rekey().status());
}

Answer Begin(const Context& context, const Fields& fields) {
  if (!fields.List("pgp_keys").empty() || fields.Bool("backup")) {
    return ErrorAnswer(400,
                       "PGP keys and backups are not supported by this server: leave pgp_keys "
                       "and backup out");
  }
  return StatusAnswer(context.lifecycle.rekey().Begin(ConfigurationOf(fields),
                                                      fields.Bool("require_verification")));
}

Answer Cancel(const Context& context, const Fields& fields) {
  const absl::Status cancelled = context.lifecycle.rekey().Cancel(fields.Text("nonce"));
  return cancelled.ok() ? NoContent() : SealRefusal(cancelled);
}

Answer Give(const Context& context, const Fields& fields) {
  absl::StatusOr<seal::SecretBytes> share = ShareOf(fields.Text("key"));
  if (!share.ok()) return SealRefusal(share.status());
  const auto given = context.lifecycle.rekey().Give(*std::move(share), fields.Text("nonce"));
  if (!given.ok()) return SealRefusal(given.status());
  if (given->complete) NoteComplete(context);
  if (given->shares.empty()) return StatusAnswer(given->status);
  ObjectText text;
  text.Text("nonce", given->status.nonce)
      .Bool("complete", true)
      .Members(SharesText(given->shares))
      .Raw("pgp_fingerprints", "null")
      .Bool("backup", false)
      .Bool("verification_required", given->status.verification_required);
  if (given->status.verification_required) {
    text.Text("verification_nonce", given->status.verification_nonce);
  }
  return JsonAnswer(200, text.Finish());
}

Answer ReadVerification(const Context& context, const Fields&) {
  return VerificationAnswer(context.lifecycle.rekey().VerificationStatus());
}

Answer Verify(const Context& context, const Fields& fields) {
  absl::StatusOr<seal::SecretBytes> share = ShareOf(fields.Text("key"));
  if (!share.ok()) return SealRefusal(share.status());
  const auto given = context.lifecycle.rekey().Verify(*std::move(share), fields.Text("nonce"));
  if (!given.ok()) return SealRefusal(given.status());
  if (!given->complete) return VerificationAnswer(given->status);
  NoteComplete(context);
  return JsonAnswer(
      200,
      ObjectText().Text("nonce", given->status.verification_nonce).Bool("complete", true).Finish());
}

Answer RestartVerification(const Context& context, const Fields&) {
  return VerificationAnswer(context.lifecycle.rekey().RestartVerification());
}

// Shares are handed out once and kept nowhere.
Answer ReadBackup(const Context& context, const Fields&) {
  const auto status = context.lifecycle.rekey().status();
  if (!status.ok()) return SealRefusal(status.status());
  return ErrorAnswer(400, "no backed-up keys found");
}

Answer DeleteBackup(const Context& context, const Fields&) {
  const auto status = context.lifecycle.rekey().status();
  return status.ok() ? NoContent() : SealRefusal(status.status());
}

// Unseal keys exist only where people unseal, recovery keys only with an auto seal.
using Handler = Answer (*)(const Context&, const Fields&);
template <Handler kAnswer>
Answer OfUnsealKeys(const Context& context, const Fields& fields) {
  const seal::SealKind kind = context.lifecycle.status().seal.kind;
  if (kind == seal::SealKind::kShamir) return kAnswer(context, fields);
  return ErrorAnswer(400, Concat({"this server unseals by itself (seal type ", NameOf(kind),
                                  "): there are no unseal keys; sys/rekey-recovery-key replaces "
                                  "its recovery keys"}));
}
template <Handler kAnswer>
Answer OfRecoveryKeys(const Context& context, const Fields& fields) {
  if (context.lifecycle.status().seal.kind != seal::SealKind::kShamir) {
    return kAnswer(context, fields);
  }
  return ErrorAnswer(400,
                     "recovery rekeying not supported: people unseal this server, and "
                     "sys/rekey replaces their keys");
}

constexpr DeclaredField kBegin[] = {
    {"secret_shares", FieldKind::kJsonNumber}, {"secret_threshold", FieldKind::kJsonNumber},
    {"stored_shares", FieldKind::kJsonNumber}, {"pgp_keys", FieldKind::kTextList},
    {"backup", FieldKind::kJsonBool},          {"require_verification", FieldKind::kJsonBool}};
constexpr DeclaredField kNonce[] = {{"nonce", FieldKind::kText}};
constexpr DeclaredField kShare[] = {{"key", FieldKind::kText}, {"nonce", FieldKind::kText}};

constexpr Endpoint Waiting(std::string_view path, Method method, Handler answer,
                           std::span<const DeclaredField> fields = {}) {
  return {.path = path, .method = method, .waits = true, .fields = fields, .answer = answer};
}

constexpr Endpoint kEndpoints[] = {
    Waiting("sys/rekey/init", Method::kRead, &OfUnsealKeys<&Read>),
    Waiting("sys/rekey/init", Method::kWrite, &OfUnsealKeys<&Begin>, kBegin),
    Waiting("sys/rekey/init", Method::kDelete, &OfUnsealKeys<&Cancel>, kNonce),
    Waiting("sys/rekey/update", Method::kWrite, &OfUnsealKeys<&Give>, kShare),
    Waiting("sys/rekey/verify", Method::kRead, &OfUnsealKeys<&ReadVerification>),
    Waiting("sys/rekey/verify", Method::kWrite, &OfUnsealKeys<&Verify>, kShare),
    Waiting("sys/rekey/verify", Method::kDelete, &OfUnsealKeys<&RestartVerification>, kNonce),
    Waiting("sys/rekey/backup", Method::kRead, &OfUnsealKeys<&ReadBackup>),
    Waiting("sys/rekey/backup", Method::kDelete, &OfUnsealKeys<&DeleteBackup>),
    Waiting("sys/rekey-recovery-key/init", Method::kRead, &OfRecoveryKeys<&Read>),
    Waiting("sys/rekey-recovery-key/init", Method::kWrite, &OfRecoveryKeys<&Begin>, kBegin),
    Waiting("sys/rekey-recovery-key/init", Method::kDelete, &OfRecoveryKeys<&Cancel>, kNonce),
    Waiting("sys/rekey-recovery-key/update", Method::kWrite, &OfRecoveryKeys<&Give>, kShare),
    Waiting("sys/rekey-recovery-key/verify", Method::kRead, &OfRecoveryKeys<&ReadVerification>),
    Waiting("sys/rekey-recovery-key/verify", Method::kWrite, &OfRecoveryKeys<&Verify>, kShare),
    Waiting("sys/rekey-recovery-key/verify", Method::kDelete, &OfRecoveryKeys<&RestartVerification>,
            kNonce),
};

}  // namespace

std::span<const Endpoint> RekeyEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::process
