#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/api/json_text.h"

namespace belfry::api {

// The parameters of a request, read as generously as Vault reads them: a number or a boolean may
// come as a text, a list as one text with commas. What is missing or null has the value given as
// `otherwise`, or none. A value object; one thread at a time.
class Fields {
 public:
  // `data` is the text of a JSON object or null.
  explicit Fields(std::string_view data) : members_(AllMembers(data)) {}

  bool Has(const std::string& name) const;
  std::string Text(const std::string& name) const;
  bool Bool(const std::string& name, bool otherwise = false);
  std::int64_t Number(const std::string& name);
  // Not negative.
  absl::Duration Duration(const std::string& name);
  std::vector<std::string> List(const std::string& name) const;
  std::map<std::string, std::string> Map(const std::string& name) const;

  // InvalidArgument when one of the values that were asked for could not be read; it counts as
  // missing.
  const absl::Status& status() const { return status_; }

 private:
  void Refuse(std::string_view name, std::string_view why);

  const std::map<std::string, Member> members_;
  absl::Status status_;
};

}  // namespace belfry::api
