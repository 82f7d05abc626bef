#include "server/seal/ciphers.h"

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "base/text.h"

namespace belfry::seal {
namespace {

constexpr char kVersion = 1;
constexpr std::size_t kHeaderBytes = 1 + 4;

std::string Header(std::uint32_t term) {
  std::string header(1, kVersion);
  for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(term >> shift);
  return header;
}

std::uint32_t TermIn(std::string_view header) {
  std::uint32_t term = 0;
  for (const char c : header.substr(1, 4)) term = term << 8 | static_cast<unsigned char>(c);
  return term;
}

absl::Status Damaged(std::string_view key, std::string_view why) {
  return absl::DataLossError(
      Concat({"cannot decrypt the stored value of \"", key, "\": ", why,
              "; the storage was damaged or changed from outside: restore a copy of it"}));
}

}  // namespace

Ciphers::Ciphers(const Keyring& keyring, const Ciphers* before) {
  if (before != nullptr) {
    names_ = before->names_;
    terms_ = before->terms_;
  } else {
    names_ = std::make_shared<const NameCipher>(keyring.name_key());
  }
  while (terms_.size() < keyring.terms().size()) {
    terms_.push_back(std::make_shared<const Aead>(*keyring.terms()[terms_.size()].key));
  }
}

std::string Ciphers::SealValue(std::string_view key, std::string_view value) const {
  const std::string header = Header(static_cast<std::uint32_t>(terms_.size()));
  std::string sealed;
  sealed.reserve(kHeaderBytes + value.size() + Aead::kOverheadBytes);
  sealed = header;
  terms_.back()->Seal(value, Concat({header, key}), &sealed);
  return sealed;
}

absl::StatusOr<std::string> Ciphers::OpenValue(std::string_view key,
                                               std::string_view sealed) const {
  if (sealed.size() < kHeaderBytes + Aead::kOverheadBytes) return Damaged(key, "it is too short");
  const std::string_view header = sealed.substr(0, kHeaderBytes);
  if (header[0] != kVersion) return Damaged(key, "its format is unknown");
  const std::uint32_t term = TermIn(header);
  if (term == 0 || term > terms_.size()) {
    return Damaged(key, Concat({"the keyring has no term ", std::to_string(term)}));
  }
  std::string value(sealed.size() - kHeaderBytes - Aead::kOverheadBytes, '\0');
  if (!terms_[term - 1]->Open(sealed.substr(kHeaderBytes), Concat({header, key}), value.data())) {
    return Damaged(key, "it was changed or belongs to another key");
  }
  return value;
}

}  // namespace belfry::seal
