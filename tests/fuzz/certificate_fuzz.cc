// The certificate in the handshake line, as its bytes and as its text. (plugin-protocol 1.3, 2.1)

#include "sdk/wire/certificate.h"

#include <string>

#include "tests/fuzz/fuzz.h"

namespace belfry::wire {
namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----\n";
constexpr std::string_view kEnd = "-----END CERTIFICATE-----\n";

std::string FieldOf(std::string_view pem) {
  pem.remove_prefix(kBegin.size());
  pem.remove_suffix(kEnd.size());
  std::string field;
  while (!pem.empty()) field += fuzz::TakeLine(pem);
  field.erase(field.find_last_not_of('=') + 1);
  return field;
}

void ExamineField(std::string_view field) {
  const absl::StatusOr<std::string> pem = DecodeHandshakeCertificate(field);
  if (!pem.ok()) {
    BELFRY_CLAIM(pem.status().code() == absl::StatusCode::kInvalidArgument);
    return;
  }
  // What is trusted from now on is one certificate and nothing else.
  BELFRY_CLAIM(pem->starts_with(kBegin) && pem->ends_with(kEnd));
  BELFRY_CLAIM(pem->find("-----BEGIN", 1) == std::string::npos);
  // And it is the very one that was shown. The last character may have bits that mean nothing.
  const std::string shown = FieldOf(*pem);
  BELFRY_CLAIM(shown.size() == field.size());
  BELFRY_CLAIM(field.starts_with(std::string_view(shown).substr(0, shown.size() - 1)));
}

}  // namespace
}  // namespace belfry::wire

void belfry::fuzz::Examine(std::string_view input) {
  wire::ExamineField(input);
  wire::ExamineField(wire::EncodeHandshakeCertificate(input));
}
