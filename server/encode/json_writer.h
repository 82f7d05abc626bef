#pragma once

#include <google/protobuf/struct.pb.h>

#include <string>
#include <string_view>

namespace belfry::encode {

// JSON as Go's encoding/json writes it, appended to a text.

// A string with its quotes; invalid UTF-8 becomes U+FFFD.
void AppendString(std::string_view text, std::string& out);
// An object, its keys sorted.
void AppendStruct(const google::protobuf::Struct& object, std::string& out);

// One JSON object, member by member; members that Go would omit when empty go through the *IfAny
// calls.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  std::string& Key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }
  void Text(std::string_view name, std::string_view value) { AppendString(value, Key(name)); }
  void TextIfAny(std::string_view name, std::string_view value) {
    if (!value.empty()) Text(name, value);
  }
  void End() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace belfry::encode
