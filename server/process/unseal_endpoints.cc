#include <utility>

#include "base/text.h"
#include "server/builtin/json_text.h"
#include "server/process/endpoint.h"
#include "server/process/seal_status.h"
#include "server/seal/seal_texts.h"

namespace belfry::process {
namespace {

using builtin::Answer;
using builtin::DeclaredField;
using builtin::ErrorAnswer;
using builtin::FieldKind;
using builtin::Fields;
using builtin::JsonAnswer;
using builtin::ObjectText;
using builtin::SealRefusal;

Answer IsInitialized(const Context& context, const Fields&) {
  const bool initialized = context.lifecycle.status().seal.initialized();
  return JsonAnswer(200, ObjectText().Bool("initialized", initialized).Finish());
}

// The parameters that are given and are about the other kind of seal, in Vault's order.
std::string InapplicableTo(seal::SealKind kind, const Fields& fields) {
  const bool shamir = kind == seal::SealKind::kShamir;
  std::string names;
  const auto add = [&names](std::string_view name, bool given) {
    if (given) names += Concat({names.empty() ? "" : ",", name});
  };
  for (const std::string_view name : {"shares", "threshold"}) {
    const std::string whole = Concat({shamir ? "recovery_" : "secret_", name});
    add(whole, fields.Number(whole) != 0);
  }
  const std::string_view keys = shamir ? "recovery_pgp_keys" : "pgp_keys";
  add(keys, !fields.List(keys).empty());
  return names;
}

// What would encrypt the shares for their holders is not there, nor what the other kind of seal
// has: what asks for them must not get something else.
std::optional<Answer> RefuseOptions(seal::SealKind kind, const Fields& fields) {
  const std::vector<std::string> keys = fields.List("pgp_keys");
  const bool shamir = kind == seal::SealKind::kShamir;
  if (shamir && !keys.empty() &&
      static_cast<std::int64_t>(keys.size()) != fields.Number("secret_shares")) {
    return ErrorAnswer(400, "incorrect number of PGP keys");
  }
  if (const std::string names = InapplicableTo(kind, fields); !names.empty()) {
    return ErrorAnswer(
        400, Concat({"parameters ", names, " not applicable to seal type ", NameOf(kind)}));
  }
  if (!keys.empty() || !fields.List("recovery_pgp_keys").empty() ||
      !fields.Text("root_token_pgp_key").empty()) {
    return ErrorAnswer(400,
                       "PGP keys are not supported by this server: leave pgp_keys, "
                       "recovery_pgp_keys and root_token_pgp_key out, and encrypt what is "
                       "answered");
  }
  return std::nullopt;
}

std::string KeysText(seal::SealKind kind, const std::vector<seal::SecretBytes>& shares) {
  if (kind == seal::SealKind::kShamir) return SharesText(shares);
  return ObjectText()
      .Members(SharesText({}))
      .Members(SharesText(shares, {.hex = "recovery_keys", .base64 = "recovery_keys_base64"}))
      .Finish();
}

Answer Initialize(const Context& context, const Fields& fields) {
  const seal::SealKind kind = context.lifecycle.status().seal.kind;
  if (std::optional<Answer> refusal = RefuseOptions(kind, fields)) return *std::move(refusal);
  const absl::StatusOr<Lifecycle::Initialized> made = context.lifecycle.Initialize(
      kind == seal::SealKind::kShamir ? ConfigurationOf(fields) : RecoveryConfigurationOf(fields));
  if (!made.ok()) return SealRefusal(made.status());
  context.unsealer.Try();
  return JsonAnswer(200, ObjectText()
                             .Members(KeysText(kind, made->shares))
                             .Text("root_token", made->root_token)
                             .Finish());
}

Answer Unseal(const Context& context, const Fields& fields) {
  const std::string key = fields.Text("key");
  const bool reset = fields.Bool("reset");
  if (!context.lifecycle.status().seal.initialized()) {
    return ErrorAnswer(400, "Vault is not initialized");
  }
  if (const seal::SealKind kind = context.lifecycle.status().seal.kind;
      kind != seal::SealKind::kShamir) {
    return SealRefusal(seal::TakesNoUnsealKeys(kind));
  }
  if (key.empty() && !reset) {
    return ErrorAnswer(400,
                       "'key' must be specified in request body as JSON, or 'reset' set to true");
  }
  if (reset) {
    context.lifecycle.ResetUnseal();
    return SealStatusAnswer(context);
  }
  absl::StatusOr<seal::SecretBytes> share = ShareOf(key);
  if (!share.ok()) return SealRefusal(share.status());
  const auto status = context.lifecycle.Unseal(*std::move(share));
  return status.ok() ? SealStatusAnswer(context) : SealRefusal(status.status());
}

constexpr DeclaredField kInit[] = {
    {"secret_shares", FieldKind::kJsonNumber},      {"secret_threshold", FieldKind::kJsonNumber},
    {"stored_shares", FieldKind::kJsonNumber},      {"pgp_keys", FieldKind::kTextList},
    {"root_token_pgp_key", FieldKind::kText},       {"recovery_shares", FieldKind::kJsonNumber},
    {"recovery_threshold", FieldKind::kJsonNumber}, {"recovery_pgp_keys", FieldKind::kTextList}};
constexpr DeclaredField kUnseal[] = {
    {"key", FieldKind::kText}, {"reset", FieldKind::kJsonBool}, {"migrate", FieldKind::kJsonBool}};

constexpr Endpoint kEndpoints[] = {
    {.path = "sys/init", .answer = &IsInitialized},
    {.path = "sys/init",
     .method = Method::kWrite,
     .waits = true,
     .fields = kInit,
     .answer = &Initialize},
    {.path = "sys/unseal",
     .method = Method::kWrite,
     .waits = true,
     .fields = kUnseal,
     .answer = &Unseal},
};

}  // namespace

std::span<const Endpoint> UnsealEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::process
