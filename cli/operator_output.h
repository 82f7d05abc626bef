#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "absl/status/statusor.h"

namespace belfry::cli {

// What the operator commands print, made of the server's answers. Text for people has its final
// newline; lines that Vault's program prints, too, have its form, for the sake of scripts.

// The shares into which an unseal key is split, and how many of them it takes.
struct Shares {
  int count = 5;
  int threshold = 3;
};

// Of the answer to sys/init.
std::string InitText(const boost::json::object& made, const Shares& shares);
boost::json::object InitJson(const boost::json::object& made, const Shares& shares);

// Of sys/key-status.
std::string KeyStatusText(const boost::json::object& key);
boost::json::object KeyStatusJson(const boost::json::object& key);

// Of sys/rekey/init and sys/rekey/verify.
std::string RekeyText(const boost::json::object& rekey);
std::string RekeyVerificationText(const boost::json::object& verification);
// Of the answer to the last share that a rekey needs.
std::string NewSharesText(const boost::json::object& made);

// Of sys/generate-root/attempt and sys/generate-root/update.
std::string RootGenerationText(const boost::json::object& generation);
// The root token: each byte of what `encoded` is in base64, with the one of the pad.
// InvalidArgument for what is not base64, and for a pad of another length.
absl::StatusOr<std::string> DecodeRootToken(std::string_view encoded, std::string_view pad);

// Of sys/ha-status.
std::string MembersText(const boost::json::object& status);
boost::json::object MembersJson(const boost::json::object& status);

}  // namespace belfry::cli
