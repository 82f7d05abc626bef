// The line that a plugin prints, and the versions that a host offers. (plugin-protocol 1.3, 1.4)

#include "sdk/wire/handshake.h"

#include <algorithm>
#include <string>

#include "base/text.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::wire {
namespace {

constexpr std::size_t kLongestMessage = 1200;

bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

bool SameBesideCertificate(const Handshake& a, const Handshake& b) {
  return a.protocol_version == b.protocol_version && a.network == b.network &&
         a.address == b.address && a.multiplexed == b.multiplexed;
}

// The base64 lines of a PEM are the handshake's field but for the padding.
std::string FieldOf(std::string_view pem) {
  std::string field;
  while (!pem.empty()) {
    const std::string_view line = fuzz::TakeLine(pem);
    if (!line.starts_with("-----")) field += line;
  }
  field.erase(field.find_last_not_of('=') + 1);
  return field;
}

void ExamineLine(std::string_view line) {
  const absl::StatusOr<Handshake> handshake = ParseHandshake(line);
  if (!handshake.ok()) {
    BELFRY_CLAIM(handshake.status().code() == absl::StatusCode::kInvalidArgument);
    BELFRY_CLAIM(handshake.status().message().size() <= kLongestMessage);
    BELFRY_CLAIM(IsPrintable(ToStd(handshake.status().message())));
    return;
  }
  BELFRY_CLAIM(handshake->network == "unix" || handshake->network == "tcp");
  BELFRY_CLAIM(!handshake->address.empty());
  BELFRY_CLAIM(IsPrintable(handshake->address));
  BELFRY_CLAIM(handshake->address.find('|') == std::string::npos);
  const absl::StatusOr<Handshake> again =
      ParseHandshake(FormatHandshake(*handshake, FieldOf(handshake->certificate_pem)));
  BELFRY_CLAIM(again.ok());
  BELFRY_CLAIM(SameBesideCertificate(*again, *handshake));
  BELFRY_CLAIM(again->certificate_pem == handshake->certificate_pem);
}

void ExamineVersions(std::string_view offered) {
  const int version = NegotiateVersion(offered, {3, 4, 5});
  const std::string list = Concat({",", offered, ","});
  const bool is_offered =
      list.find(Concat({",", std::to_string(version), ","})) != std::string::npos;
  BELFRY_CLAIM(version >= 3 && version <= 5);
  BELFRY_CLAIM(is_offered || version == 3 || offered.find('0') != std::string_view::npos);
  BELFRY_CLAIM(list.find(",5,") == std::string::npos || version == 5);
}

}  // namespace
}  // namespace belfry::wire

void belfry::fuzz::Examine(std::string_view input) {
  wire::ExamineLine(input);
  wire::ExamineVersions(input);
}
