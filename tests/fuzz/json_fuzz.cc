// JSON text on both sides of the plugin boundary: the SDK's values and the host's view of the text.

#include "belfry/json.h"

#include <string>

#include "base/utf8.h"
#include "server/builtin/json_text.h"
#include "tests/fuzz/fuzz.h"

namespace belfry {
namespace {

constexpr std::size_t kLongestMessage = 120;

// A parse keeps everything: its text reads back as the same value and is written the same again.
void ExamineText(std::string_view text) {
  const absl::StatusOr<Json> value = Json::Parse(text);
  if (!value.ok()) {
    // Says where, and nothing of what may be a secret.
    BELFRY_CLAIM(value.status().code() == absl::StatusCode::kInvalidArgument);
    BELFRY_CLAIM(value.status().message().size() <= kLongestMessage);
    return;
  }
  BELFRY_CLAIM(IsUtf8(text));
  const std::string dumped = value->Dump();
  const absl::StatusOr<Json> again = Json::Parse(dumped);
  BELFRY_CLAIM(again.ok());
  BELFRY_CLAIM(*again == *value);
  BELFRY_CLAIM(again->Dump() == dumped);
}

// Any bytes are a string of JSON once they are UTF-8.
void ExamineString(std::string_view bytes) {
  const absl::StatusOr<Json> read = Json::Parse(Json(bytes).Dump());
  BELFRY_CLAIM(read.ok() && read->if_string() != nullptr);
  BELFRY_CLAIM(*read->if_string() == ValidUtf8(bytes));
}

// What the host lets through, a plugin understands; what a plugin says, the host understands.
void ExamineBothSides(std::string_view text) {
  const absl::StatusOr<builtin::ObjectSummary> summary =
      builtin::Summarize(text, builtin::kMaxRequestJsonDepth);
  const absl::StatusOr<Json> value = Json::Parse(text);
  if (summary.ok()) {
    BELFRY_CLAIM(value.ok());
    BELFRY_CLAIM(summary->is_null == value->is_null());
    BELFRY_CLAIM(summary->is_null || value->if_object() != nullptr);
    BELFRY_CLAIM(summary->has_error == (value->Find("error") != nullptr));
    BELFRY_CLAIM(summary->has_data == (value->Find("data") != nullptr));
    BELFRY_CLAIM(summary->has_http_status == (value->Find("http_status_code") != nullptr));
  }
  if (value.ok() && value->if_object() != nullptr) {
    BELFRY_CLAIM(builtin::Summarize(value->Dump(), builtin::kMaxReplyJsonDepth).ok());
    BELFRY_CLAIM(builtin::AllMembers(text).size() == value->if_object()->size());
  }
}

}  // namespace
}  // namespace belfry

void belfry::fuzz::Examine(std::string_view input) {
  ExamineText(input);
  ExamineString(input);
  ExamineBothSides(input);
}
