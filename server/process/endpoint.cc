#include "server/process/endpoint.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "base/text.h"
#include "server/builtin/json_text.h"

namespace belfry::process {
namespace {

bool IsHex(std::string_view text) {
  return text.size() % 2 == 0 && std::ranges::all_of(text, absl::ascii_isxdigit);
}

// What is out of an int's range is out of every range here.
int ToInt(std::int64_t number) {
  return static_cast<int>(std::clamp<std::int64_t>(number, std::numeric_limits<int>::min(),
                                                   std::numeric_limits<int>::max()));
}

}  // namespace

seal::SealConfiguration ConfigurationOf(const builtin::Fields& fields) {
  return {.shares = ToInt(fields.Number("secret_shares")),
          .threshold = ToInt(fields.Number("secret_threshold"))};
}

seal::SealConfiguration RecoveryConfigurationOf(const builtin::Fields& fields) {
  return {.shares = ToInt(fields.Number("recovery_shares")),
          .threshold = ToInt(fields.Number("recovery_threshold"))};
}

absl::StatusOr<seal::SecretBytes> ShareOf(std::string_view text) {
  if (text.empty()) {
    return absl::InvalidArgumentError("'key' must be specified in request body as JSON");
  }
  std::string bytes;
  if (IsHex(text)) {
    bytes = absl::HexStringToBytes(ToAbsl(text));
  } else if (text.size() % 4 != 0 || !absl::Base64Unescape(ToAbsl(text), &bytes)) {
    // Base64 has its padding, as Go reads it.
    return absl::InvalidArgumentError("'key' must be a valid hex or base64 string");
  }
  seal::SecretBytes share = seal::SecretBytes::CopyOf(bytes);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return share;
}

std::string SharesText(const std::vector<seal::SecretBytes>& shares, ShareNames names) {
  std::vector<std::string> hex;
  std::vector<std::string> base64;
  for (const seal::SecretBytes& share : shares) {
    hex.push_back(absl::BytesToHexString(ToAbsl(share.view())));
    base64.push_back(absl::Base64Escape(ToAbsl(share.view())));
  }
  return builtin::ObjectText()
      .Raw(names.hex, builtin::ArrayText(hex))
      .Raw(names.base64, builtin::ArrayText(base64))
      .Finish();
}

}  // namespace belfry::process
