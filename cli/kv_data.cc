#include "cli/kv_data.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <optional>

#include "cli/input.h"
#include "cli/json_text.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace json = boost::json;

// Standard input, which can be taken once.
class Input {
 public:
  explicit Input(std::istream& in) : in_(in) {}

  absl::StatusOr<std::string> Take() {
    if (taken_)
      return absl::InvalidArgumentError("- is given twice, but standard input can be read once");
    taken_ = true;
    return ReadAll(in_);
  }

 private:
  std::istream& in_;
  bool taken_ = false;
};

// The text that "@name" or "-" stands for; nullopt when `argument` is neither.
absl::StatusOr<std::optional<std::string>> Referenced(const std::string& argument, Input& in) {
  if (argument != "-" && !argument.starts_with('@')) return std::optional<std::string>();
  absl::StatusOr<std::string> text = argument == "-" ? in.Take() : ReadFile(argument.substr(1));
  if (!text.ok()) return text.status();
  return std::optional(*std::move(text));
}

absl::Status AddObject(const std::string& text, const std::string& argument, json::object* secret) {
  const absl::StatusOr<json::value> value = ParseJson(text);
  if (!value.ok() || !value->is_object()) {
    return absl::InvalidArgumentError(
        Concat("\"", argument, "\" holds no JSON object",
               value.ok() ? "" : Concat(": ", std::string(value.status().message()))));
  }
  for (const auto& [key, member] : value->get_object()) (*secret)[key] = member;
  return absl::OkStatus();
}

// JSON, and so a secret, holds only text.
absl::Status CheckText(const std::string& text, std::string_view what) {
  json::error_code error;
  json::parse(json::serialize(json::value(text)), error);
  if (!error) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat(what, " is not UTF-8 text; encode it first, for example with base64"));
}

void AddMember(const std::string& key, std::string value, json::object* secret) {
  json::value* present = secret->if_contains(key);
  if (present == nullptr) {
    (*secret)[key] = std::move(value);
  } else if (present->is_array()) {
    present->get_array().push_back(json::value(std::move(value)));
  } else {
    json::value first = std::move(*present);
    *present = json::array{std::move(first), json::value(std::move(value))};
  }
}

absl::Status AddArgument(const std::string& argument, Input& in, json::object* secret) {
  absl::StatusOr<std::optional<std::string>> whole = Referenced(argument, in);
  if (!whole.ok()) return whole.status();
  if (*whole) return AddObject(**whole, argument, secret);
  const std::size_t equals = argument.find('=');
  if (equals == std::string::npos || equals == 0) {
    return absl::InvalidArgumentError(
        Concat("\"", argument, "\" is neither KEY=VALUE nor @file nor -"));
  }
  std::string value = argument.substr(equals + 1);
  absl::StatusOr<std::optional<std::string>> text = Referenced(value, in);
  if (!text.ok()) return text.status();
  if (*text) {
    value = **std::move(text);
  } else if (value.starts_with("\\@")) {
    value.erase(0, 1);
  }
  const std::string key = argument.substr(0, equals);
  if (absl::Status status = CheckText(key, "a key"); !status.ok()) return status;
  if (absl::Status status = CheckText(value, Concat("the value of \"", key, "\"")); !status.ok())
    return status;
  AddMember(key, std::move(value), secret);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<json::object> ParseSecret(const std::vector<std::string>& arguments,
                                         std::istream& in) {
  json::object secret;
  Input input(in);
  for (const std::string& argument : arguments) {
    if (absl::Status status = AddArgument(argument, input, &secret); !status.ok()) return status;
  }
  return secret;
}

absl::StatusOr<json::object> ParsePairs(const std::vector<std::string>& texts) {
  json::object pairs;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) {
      return absl::InvalidArgumentError(
          Concat("\"", text, "\" is not KEY=VALUE, for example owner=alice"));
    }
    pairs[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return pairs;
}

absl::StatusOr<json::array> ParseVersions(const std::vector<std::string>& texts) {
  json::array versions;
  for (const std::string& text : texts) {
    for (std::size_t begin = 0; begin <= text.size();) {
      const std::size_t comma = std::min(text.find(',', begin), text.size());
      const std::string_view version = Trimmed(std::string_view(text).substr(begin, comma - begin));
      const bool digits =
          !version.empty() && version.find_first_not_of("0123456789") == std::string_view::npos;
      if (!digits || version.find_first_not_of('0') == std::string_view::npos) {
        return absl::InvalidArgumentError(
            Concat("\"", text, "\" is not a list of version numbers: 1 is the first of them"));
      }
      versions.push_back(json::value(std::string(version)));
      begin = comma + 1;
    }
  }
  return versions;
}

}  // namespace belfry::cli
