#include "server/seal/file_seal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "absl/strings/ascii.h"
#include "base/descriptor.h"
#include "base/strings.h"
#include "base/text.h"
#include "server/seal/aead.h"
#include "server/seal/base64.h"
#include "server/seal/places.h"
#include "server/seal/sealed_record.h"

namespace belfry::seal {
namespace {

// More than any key, however it is written.
constexpr std::size_t kMaxFileBytes = 256;

absl::Status Refused(std::initializer_list<std::string_view> parts) {
  return absl::FailedPreconditionError(Concat(parts));
}

absl::Status CannotRead(const std::string& path) {
  return Refused({"cannot read the seal's key file ", path, ": ", std::strerror(errno)});
}

std::string Octal(mode_t mode) {
  std::string digits = "0000";
  for (std::size_t i = 4; i-- > 0; mode >>= 3) digits[i] = static_cast<char>('0' + (mode & 7));
  return digits;
}

absl::Status CheckWhoMayRead(const std::string& path, const struct stat& file) {
  if (!S_ISREG(file.st_mode)) return Refused({"the seal's key file ", path, " is not a file"});
  if (file.st_uid != geteuid() && file.st_uid != 0) {
    return Refused({"the seal's key file ", path, " belongs to another user: make its owner root ",
                    "or the server's user"});
  }
  const mode_t mode = file.st_mode & 07777;
  if (mode == 0400 || mode == 0600) return absl::OkStatus();
  return Refused({"the seal's key file ", path, " has mode ", Octal(mode), ": run \"chmod 0400 ",
                  path, "\", and make another key if others could have read it"});
}

// What a file holds that holds no key.
std::string_view KindOf(std::string_view text) {
  if (text.empty()) return "nothing";
  if (text.size() == Aead::kKeyBytes) return "32 raw bytes";
  if (std::ranges::all_of(text, absl::ascii_isxdigit)) return "hex digits";
  return "something else";
}

}  // namespace

absl::StatusOr<SecretBytes> FileSeal::ReadText() const {
  // Does not wait for the other end of a pipe.
  const Descriptor file(open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts = {};
  if (!file.ok() || fstat(file.get(), &facts) != 0) return CannotRead(path_);
  if (absl::Status open = CheckWhoMayRead(path_, facts); !open.ok()) return open;
  SecretBytes text(kMaxFileBytes);
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno != EINTR) return CannotRead(path_);
    if (got == 0) break;
    if (got > 0) size += static_cast<std::size_t>(got);
  }
  return SecretBytes::CopyOf(text.view().substr(0, size));
}

absl::StatusOr<SecretBytes> FileSeal::ReadKey() const {
  const absl::StatusOr<SecretBytes> text = ReadText();
  if (!text.ok()) return text.status();
  const std::string_view line = WithoutSuffix(text->view(), "\n");
  std::optional<SecretBytes> key = FromBase64(line);
  if (key && key->size() == Aead::kKeyBytes) return *std::move(key);
  return Refused({"the seal's key file ", path_,
                  " must hold 32 bytes in base64 on one line, as \"openssl rand -base64 32\" "
                  "writes them, and holds ",
                  KindOf(line)});
}

absl::StatusOr<std::string> FileSeal::Wrap(const SecretBytes& key) const {
  const absl::StatusOr<SecretBytes> with = ReadKey();
  if (!with.ok()) return with.status();
  return SealRecord(*with, kUnsealKey, NameOf(kind()), key);
}

absl::StatusOr<SecretBytes> FileSeal::Unwrap(std::string_view wrapped) const {
  const absl::StatusOr<SecretBytes> with = ReadKey();
  if (!with.ok()) return with.status();
  absl::StatusOr<SecretBytes> key = OpenRecord(*with, kUnsealKey, NameOf(kind()), wrapped);
  if (!absl::IsInvalidArgument(key.status())) return key;
  return Refused({"the key in ", path_, " does not open ", kUnsealKey,
                  ": put the key back with which the server was initialized"});
}

}  // namespace belfry::seal
