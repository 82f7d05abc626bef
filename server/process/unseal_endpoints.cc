#include <utility>

#include "base/text.h"
#include "server/builtin/json_text.h"
#include "server/process/endpoint.h"
#include "server/process/seal_status.h"

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

// What would encrypt the shares for their holders, and a seal that unseals by itself, are not
// there: what asks for them must not get something else.
std::optional<Answer> RefuseOptions(const Fields& fields) {
  const std::vector<std::string> keys = fields.List("pgp_keys");
  if (!keys.empty() && static_cast<std::int64_t>(keys.size()) != fields.Number("secret_shares")) {
    return ErrorAnswer(400, "incorrect number of PGP keys");
  }
  if (!keys.empty() || !fields.Text("root_token_pgp_key").empty()) {
    return ErrorAnswer(400,
                       "PGP keys are not supported by this server: leave pgp_keys and "
                       "root_token_pgp_key out, and encrypt what is answered");
  }
  if (fields.Number("recovery_shares") != 0 || fields.Number("recovery_threshold") != 0) {
    return ErrorAnswer(400,
                       "parameters recovery_shares,recovery_threshold not applicable to seal "
                       "type shamir");
  }
  return std::nullopt;
}

Answer Initialize(const Context& context, const Fields& fields) {
  if (std::optional<Answer> refusal = RefuseOptions(fields)) return *std::move(refusal);
  const absl::StatusOr<Lifecycle::Initialized> made =
      context.lifecycle.Initialize(ConfigurationOf(fields));
  if (!made.ok()) return SealRefusal(made.status());
  return JsonAnswer(
      200,
      ObjectText().Members(SharesText(made->shares)).Text("root_token", made->root_token).Finish());
}

Answer Unseal(const Context& context, const Fields& fields) {
  const std::string key = fields.Text("key");
  const bool reset = fields.Bool("reset");
  if (!context.lifecycle.status().seal.initialized()) {
    return ErrorAnswer(400, "Vault is not initialized");
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
    {"secret_shares", FieldKind::kNumber},      {"secret_threshold", FieldKind::kNumber},
    {"stored_shares", FieldKind::kNumber},      {"pgp_keys", FieldKind::kTextList},
    {"root_token_pgp_key", FieldKind::kText},   {"recovery_shares", FieldKind::kNumber},
    {"recovery_threshold", FieldKind::kNumber}, {"recovery_pgp_keys", FieldKind::kTextList}};
constexpr DeclaredField kUnseal[] = {
    {"key", FieldKind::kText}, {"reset", FieldKind::kBool}, {"migrate", FieldKind::kBool}};

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
