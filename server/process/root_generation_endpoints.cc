#include <utility>

#include "absl/strings/escaping.h"
#include "base/ids.h"
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
using seal::RootGeneration;

struct Shown {
  std::string otp;
  std::size_t otp_length = 0;
  std::string encoded_token;
};

Answer StatusAnswer(const RootGeneration::Status& status, const Shown& shown) {
  return JsonAnswer(200, ObjectText()
                             .Text("nonce", status.nonce)
                             .Bool("started", status.started)
                             .Number("progress", status.progress)
                             .Number("required", status.required)
                             .Bool("complete", !shown.encoded_token.empty())
                             .Text("encoded_token", shown.encoded_token)
                             .Text("encoded_root_token", shown.encoded_token)
                             .Text("pgp_fingerprint", "")
                             .Text("otp", shown.otp)
                             .Number("otp_length", static_cast<std::int64_t>(shown.otp_length))
                             .Finish());
}

// Each byte of the token with the one of the pad, which is as long, in base64 without its padding.
std::string Encoded(std::string token, const seal::SecretBytes& otp) {
  const std::string_view pad = otp.view();
  for (std::size_t i = 0; i < token.size(); ++i) token[i] ^= pad[i];
  std::string encoded = absl::Base64Escape(token);
  while (encoded.ends_with('=')) encoded.pop_back();
  return encoded;
}

Answer Read(const Context& context, const Fields&) {
  const auto status = context.lifecycle.root_generation().status();
  if (!status.ok()) return SealRefusal(status.status());
  return StatusAnswer(*status, {.otp_length = kRootTokenLength});
}

// The one-time pad is answered once, to the client that begins.
Answer Begin(const Context& context, const Fields& fields) {
  if (!fields.Text("pgp_key").empty()) {
    return ErrorAnswer(400,
                       "PGP keys are not supported by this server: leave pgp_key out, and a "
                       "one-time pad is made for you");
  }
  std::string otp = fields.Text("otp");
  if (!otp.empty() && otp.size() != kRootTokenLength) {
    return ErrorAnswer(400, "OTP string is wrong length");
  }
  const bool given = !otp.empty();
  if (!given) otp = RandomBase62(kRootTokenLength);
  const auto status = context.lifecycle.root_generation().Begin(seal::SecretBytes::CopyOf(otp));
  if (!status.ok()) return SealRefusal(status.status());
  return StatusAnswer(*status, {.otp = given ? "" : otp, .otp_length = kRootTokenLength});
}

Answer Cancel(const Context& context, const Fields&) {
  const absl::Status cancelled = context.lifecycle.root_generation().Cancel();
  return cancelled.ok() ? NoContent() : SealRefusal(cancelled);
}

Answer Give(const Context& context, const Fields& fields) {
  absl::StatusOr<seal::SecretBytes> share = ShareOf(fields.Text("key"));
  if (!share.ok()) return SealRefusal(share.status());
  auto given = context.lifecycle.root_generation().Give(*std::move(share), fields.Text("nonce"));
  if (!given.ok()) return SealRefusal(given.status());
  if (!given->permit) return StatusAnswer(given->status, {});
  context.logger.Warn("making a root token from shares of a key",
                      {{"remote_address", context.remote_address}});
  const absl::StatusOr<std::string> token = context.lifecycle.NewRootToken(*given->permit);
  if (!token.ok()) return SealRefusal(token.status());
  return StatusAnswer(given->status, {.encoded_token = Encoded(*token, given->otp)});
}

constexpr DeclaredField kBegin[] = {{"otp", FieldKind::kText}, {"pgp_key", FieldKind::kText}};
constexpr DeclaredField kShare[] = {{"key", FieldKind::kText}, {"nonce", FieldKind::kText}};

constexpr Endpoint kEndpoints[] = {
    {.path = "sys/generate-root/attempt", .waits = true, .answer = &Read},
    {.path = "sys/generate-root/attempt",
     .method = Method::kWrite,
     .waits = true,
     .fields = kBegin,
     .answer = &Begin},
    {.path = "sys/generate-root/attempt",
     .method = Method::kDelete,
     .waits = true,
     .answer = &Cancel},
    {.path = "sys/generate-root/update",
     .method = Method::kWrite,
     .waits = true,
     .fields = kShare,
     .answer = &Give},
};

}  // namespace

std::span<const Endpoint> RootGenerationEndpoints() {
  return kEndpoints;
}

}  // namespace belfry::process
