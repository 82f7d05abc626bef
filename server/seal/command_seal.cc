#include "server/seal/command_seal.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "base/text.h"
#include "server/seal/base64.h"
#include "server/seal/program.h"

namespace belfry::seal {
namespace {

// Programs that write base64 break it into lines.
SecretBytes WithoutSpace(const SecretBytes& text) {
  SecretBytes kept(text.size());
  unsigned char* end = kept.data();
  for (const unsigned char c : text.bytes()) {
    if (!absl::ascii_isspace(c)) *end++ = c;
  }
  return SecretBytes::CopyOf(kept.view().substr(0, static_cast<std::size_t>(end - kept.data())));
}

SecretBytes Line(const SecretBytes& text) {
  SecretBytes line(text.size() + 1);
  std::ranges::copy(text.bytes(), line.data());
  line.data()[text.size()] = '\n';
  return line;
}

}  // namespace

absl::StatusOr<SecretBytes> CommandSeal::Run(std::string_view verb, std::string_view bytes) const {
  std::vector<std::string> arguments = {options_.command};
  arguments.insert(arguments.end(), options_.args.begin(), options_.args.end());
  arguments.emplace_back(verb);
  const SecretBytes input = Line(ToBase64(bytes));
  const absl::StatusOr<SecretBytes> output = RunProgram(arguments, input.view(), options_.timeout);
  if (!output.ok()) return output.status();
  std::optional<SecretBytes> result = FromBase64(WithoutSpace(*output).view());
  if (result && !result->empty()) return *std::move(result);
  return absl::FailedPreconditionError(Concat(
      {"the seal's program ", options_.command, " must write base64 on its standard output ",
       "for \"", verb, "\", and has written ", output->empty() ? "nothing" : "something else"}));
}

absl::StatusOr<std::string> CommandSeal::Wrap(const SecretBytes& key) const {
  const absl::StatusOr<SecretBytes> wrapped = Run("wrap", key.view());
  if (!wrapped.ok()) return wrapped.status();
  if (wrapped->view().find(key.view()) != std::string_view::npos) {
    return absl::FailedPreconditionError(Concat({"the seal's program ", options_.command,
                                                 " gives back for \"wrap\" what it was given: it "
                                                 "must encrypt it"}));
  }
  return std::string(wrapped->view());
}

absl::StatusOr<SecretBytes> CommandSeal::Unwrap(std::string_view wrapped) const {
  return Run("unwrap", wrapped);
}

}  // namespace belfry::seal
