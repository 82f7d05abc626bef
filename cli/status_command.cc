#include "cli/command.h"
#include "cli/commands.h"
#include "cli/seal_status.h"

namespace belfry::cli {
namespace {

constexpr int kSealed = 2;
constexpr int kStatusError = 1;

}  // namespace

int RunStatus(Terminal& terminal, const std::vector<std::string>& arguments) {
  Flags flags({.usage = "status [flags]",
               .about = R"(Shows whether a server is up and unsealed, and its version.

Exit codes: 0 unsealed; 2 sealed; 1 for every error.)",
               .examples = {"belfry status", "belfry status -format=json"}});
  ClientFlags client_flags(&flags, ClientFlags::Field::kNotOffered);
  int exit_code = kSuccess;
  if (!ParseOrExplain(flags, arguments, 0, 0, terminal, &exit_code)) return exit_code;
  absl::StatusOr<Client> client = client_flags.Connect(terminal);
  if (!client.ok()) return Fail(terminal, client.status(), kStatusError);
  const absl::StatusOr<Answer> answer =
      Demand(*client, "Error checking seal status", "GET", "sys/seal-status");
  if (!answer.ok()) return Fail(terminal, answer.status(), kStatusError);
  const auto* seal = answer->json.if_object();
  const auto* sealed = seal == nullptr ? nullptr : seal->if_contains("sealed");
  if (sealed == nullptr || !sealed->is_bool()) {
    return Fail(terminal,
                "Error checking seal status: the answer does not say whether the server is sealed",
                kStatusError);
  }
  ShowSealStatus(terminal, *client, client_flags, *seal);
  return sealed->get_bool() ? kSealed : kSuccess;
}

}  // namespace belfry::cli
