#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace belfry::builtin {

// JSON as text: what the API needs to know of a text without turning it into values, so that
// numbers pass through as they were written. Pure functions, thread-safe.

// Deeper nesting than this is refused in what clients send.
inline constexpr std::size_t kMaxRequestJsonDepth = 300;
// And more values: each takes up many times its bytes wherever it is read.
inline constexpr std::size_t kMaxRequestJsonValues = 100'000;
// What engines answer may wrap what clients sent.
inline constexpr std::size_t kMaxReplyJsonDepth = 1000;

// Where the first byte is that is not part of UTF-8.
std::optional<std::size_t> NotUtf8At(std::string_view text);

// Writes the text of one JSON object, its members in the order of the calls.
class ObjectText {
 public:
  ObjectText& Text(std::string_view key, std::string_view value);
  ObjectText& Number(std::string_view key, std::int64_t value);
  ObjectText& Bool(std::string_view key, bool value);
  // `json` must be valid JSON.
  ObjectText& Raw(std::string_view key, std::string_view json);
  // The members of another object's text.
  ObjectText& Members(std::string_view object);
  // "{…}"; nothing may be added afterwards.
  std::string Finish();

 private:
  void Key(std::string_view key);
  std::string text_ = "{";
};

// A JSON string, as Go writes a time.
std::string TimeText(absl::Time time);

// A JSON array of strings.
std::string ArrayText(const std::vector<std::string>& values);

// A JSON object of strings, or "null" when there are none.
std::string StringMapOrNull(const std::map<std::string, std::string>& values);

// What the outermost level of a JSON object holds.
struct ObjectSummary {
  bool is_null = false;  // The text is "null".
  std::size_t members = 0;
  bool has_error = false;        // "error"
  bool has_data = false;         // "data"
  bool has_http_status = false;  // "http_status_code"
  bool has_list = false;         // "keys" is an array with something in it.
};

// Checks that `json` is one JSON object or null, no deeper and with no more values.
// InvalidArgument, with the place of the fault.
absl::StatusOr<ObjectSummary> Summarize(
    std::string_view json, std::size_t max_depth,
    std::size_t max_values = std::numeric_limits<std::size_t>::max());

// One member of an object: the text of a string, else the JSON of the value.
struct Member {
  bool is_string = false;
  std::string text;
};

// Those members of the object `json` that `names` names; nothing when it is no object.
std::map<std::string, Member> Members(std::string_view json,
                                      std::initializer_list<std::string_view> names);

// All members of the object `json`; nothing when it is no object.
std::map<std::string, Member> AllMembers(std::string_view json);

}  // namespace belfry::builtin
