#include "cli/secret_input.h"

#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <ostream>

#include "cli/hidden_line.h"
#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

bool AsksAtTerminal(const Terminal& terminal, std::string_view argument) {
  return argument.empty() && terminal.input_descriptor >= 0 &&
         isatty(terminal.input_descriptor) == 1;
}

absl::StatusOr<std::string> Read(Terminal& terminal, std::string_view prompt,
                                 std::string_view argument) {
  if (!argument.empty() && argument != "-") return std::string(argument);
  if (!AsksAtTerminal(terminal, argument)) return ReadAll(*terminal.in);
  return ReadHiddenLine(terminal.input_descriptor, prompt, *terminal.err);
}

}  // namespace

absl::StatusOr<std::string> ReadSecret(Terminal& terminal, std::string_view name,
                                       std::string_view prompt, std::string_view argument) {
  const absl::StatusOr<std::string> given = Read(terminal, prompt, argument);
  if (!given.ok()) return given.status();
  const std::string secret(Trimmed(*given));
  if (secret.empty()) return absl::InvalidArgumentError(Concat("no ", name, " was given"));
  // Several lines of standard input: decoded, they would be another secret than each of them.
  if (secret.find_first_of(" \t\r\n") != std::string::npos) {
    return absl::InvalidArgumentError(
        Concat("one ", name, " is expected, and what was given has white space in it"));
  }
  return secret;
}

absl::StatusOr<std::string> ReadUnsealKey(Terminal& terminal, std::string_view argument) {
  return ReadSecret(terminal, "unseal key", "Unseal Key (will be hidden): ", argument);
}

std::string GivenShare::Body() const {
  return boost::json::serialize(boost::json::object{{"key", key}, {"nonce", nonce}});
}

absl::StatusOr<GivenShare> ReadShare(Terminal& terminal, const boost::json::object& status,
                                     std::string_view argument, const std::string& nonce) {
  GivenShare share{.nonce = nonce};
  if (nonce.empty() && argument.empty()) {
    share.nonce = MemberText(status, "nonce");
    *terminal.err << "Operation nonce: " << share.nonce << std::endl;
  }
  if (share.nonce.empty()) {
    return absl::InvalidArgumentError("Missing nonce value: specify it via the -nonce flag");
  }
  absl::StatusOr<std::string> key = ReadUnsealKey(terminal, argument);
  if (!key.ok()) return key.status();
  share.key = *std::move(key);
  return share;
}

}  // namespace belfry::cli
