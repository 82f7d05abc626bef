#include "cli/input.h"

#include <fstream>
#include <istream>

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
  std::ifstream file(name, std::ios::binary);
  std::string text;
  if (!file.is_open() || !Drain(file, &text))
    return absl::InvalidArgumentError(Concat("cannot read the file \"", name, "\""));
  return text;
}

absl::StatusOr<std::string> ReadAll(std::istream& in) {
  std::string text;
  if (!Drain(in, &text)) return absl::InvalidArgumentError("cannot read standard input");
  return text;
}

}  // namespace belfry::cli
