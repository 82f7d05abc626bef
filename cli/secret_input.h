#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "absl/status/statusor.h"
#include "cli/terminal.h"

namespace belfry::cli {

// A secret that is one word, without white space around it. `argument` is the secret itself; "-":
// all of standard input; "": what is typed at the terminal, which does not show it, after the
// prompt on the error stream, or all of standard input where that is no terminal. InvalidArgument
// when there is none, or when it is several words; the error calls it `name`, for example "unseal
// key".
absl::StatusOr<std::string> ReadSecret(Terminal& terminal, std::string_view name,
                                       std::string_view prompt, std::string_view argument);

// The same for an unseal key, with Vault's prompt.
absl::StatusOr<std::string> ReadUnsealKey(Terminal& terminal, std::string_view argument);

// A share of the unseal key, for an operation of several people.
struct GivenShare {
  std::string key;
  std::string nonce;  // Names the operation.

  // What the server is sent.
  std::string Body() const;
};

// The share is `argument` as ReadSecret has it. The operation is the one that `nonce` names, or
// where that is "" and the share is asked for, the one whose `status` the server gave: it is named
// on the error stream. InvalidArgument where neither says it, for then nobody has seen to which
// operation the share goes.
absl::StatusOr<GivenShare> ReadShare(Terminal& terminal, const boost::json::object& status,
                                     std::string_view argument, const std::string& nonce);

}  // namespace belfry::cli
