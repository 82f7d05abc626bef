#include "cli/input.h"

#include <cerrno>
#include <fstream>
#include <istream>
#include <system_error>

#include "cli/text.h"

namespace belfry::cli {
namespace {

// Appends all that is left; false when reading fails.
bool Drain(std::istream& in, std::string* text) {
  char chunk[16 * 1024];
  do {
    in.read(chunk, sizeof(chunk));
    text->append(chunk, static_cast<std::size_t>(in.gcount()));
  } while (in.good());
  return !in.bad();
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& name) {
  errno = 0;
  std::ifstream file(name, std::ios::binary);
  std::string text;
  if (file.is_open() && Drain(file, &text)) return text;
  // The streams of libstdc++ fail when a system call does, and leave its errno.
  const int reason = errno;
  return absl::InvalidArgumentError(
      Concat("cannot read the file \"", name, "\"",
             reason == 0 ? "" : Concat(": ", std::generic_category().message(reason))));
}

absl::StatusOr<std::string> ReadAll(std::istream& in) {
  std::string text;
  if (!Drain(in, &text)) return absl::InvalidArgumentError("cannot read standard input");
  return text;
}

}  // namespace belfry::cli
