// Compares proto/vault with descriptors.txt, which lists what the Go packages of Vault and
// go-plugin register, in both directions. Both are brought into the same form: one line for each
// message, field, enum, enum value and method, under its full name.

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace belfry::contract {
namespace {

namespace pb = google::protobuf;
using Facts = std::set<std::string, std::less<>>;

// Sections of the list that proto/vault has no file for, and why.
const std::map<std::string, std::string>& NotOurs() {
  static const auto& files = *new std::map<std::string, std::string>{
      {"google/protobuf/go_features.proto", "concerns generated Go code only"},
      {"google/protobuf/struct.proto", "comes with protobuf"},
      {"google/protobuf/timestamp.proto", "comes with protobuf"},
      {"types.proto", "how the Go kv plugin lays out its own storage; never crosses a process"},
  };
  return files;
}

// ---- From the list
// -------------------------------------------------------------------------------

// "    4  repeated logical.Alias   aliases   json=aliases" of message `owner`
std::string FieldFromList(absl::string_view owner, absl::string_view line) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  return absl::StrCat("field ", owner, " ", absl::StrJoin(words, " "));
}

Facts FromList(std::istream& list) {
  Facts facts;
  bool ours = false;
  std::string owner;
  for (std::string line; std::getline(list, line);) {
    absl::string_view text = absl::StripAsciiWhitespace(line);
    if (absl::ConsumePrefix(&text, "=== file ")) {
      ours = !NotOurs().contains(std::string(text.substr(0, text.find(' '))));
    } else if (!ours || text.empty() || absl::StartsWith(text, "import ") || text[0] == '#') {
      continue;
    } else if (absl::StartsWith(text, "message ") || absl::StartsWith(text, "enum ") ||
               absl::StartsWith(text, "service ")) {
      facts.emplace(text);
      owner = std::string(text.substr(text.find(' ') + 1));
    } else if (text[0] == '/') {
      const std::vector<std::string> words = absl::StrSplit(text, ' ', absl::SkipEmpty());
      facts.insert(absl::StrCat("method ", absl::StrJoin(words, " ")));
    } else if (absl::StrContains(text, " = ")) {
      facts.insert(absl::StrCat("value ", owner, " ", text));
    } else {
      facts.insert(FieldFromList(owner, text));
    }
  }
  return facts;
}

// ---- From our files
// ------------------------------------------------------------------------------

std::string TypeName(const pb::FieldDescriptor& field) {
  if (field.is_map()) {
    return absl::StrCat("map<", TypeName(*field.message_type()->map_key()), ", ",
                        TypeName(*field.message_type()->map_value()), ">");
  }
  if (field.message_type() != nullptr) return field.message_type()->full_name();
  if (field.enum_type() != nullptr) return field.enum_type()->full_name();
  return field.type_name();
}

void AddEnum(const pb::EnumDescriptor& type, Facts& facts) {
  facts.insert(absl::StrCat("enum ", type.full_name()));
  for (int i = 0; i < type.value_count(); ++i) {
    facts.insert(absl::StrCat("value ", type.full_name(), " ", type.value(i)->number(), " = ",
                              type.value(i)->name()));
  }
}

void AddMessage(const pb::Descriptor& message, Facts& facts) {
  if (message.options().map_entry()) return;
  facts.insert(absl::StrCat("message ", message.full_name()));
  for (int i = 0; i < message.field_count(); ++i) {
    const pb::FieldDescriptor& field = *message.field(i);
    std::string fact =
        absl::StrCat("field ", message.full_name(), " ", field.number(),
                     field.is_repeated() && !field.is_map() ? " repeated " : " ", TypeName(field),
                     " ", field.name(), " json=", field.json_name());
    if (field.has_optional_keyword()) absl::StrAppend(&fact, " (optional)");
    if (field.real_containing_oneof() != nullptr) {
      absl::StrAppend(&fact, " oneof ", field.real_containing_oneof()->name());
    }
    facts.insert(std::move(fact));
  }
  for (int i = 0; i < message.enum_type_count(); ++i) AddEnum(*message.enum_type(i), facts);
  for (int i = 0; i < message.nested_type_count(); ++i) AddMessage(*message.nested_type(i), facts);
}

void AddService(const pb::ServiceDescriptor& service, Facts& facts) {
  facts.insert(absl::StrCat("service ", service.full_name()));
  for (int i = 0; i < service.method_count(); ++i) {
    const pb::MethodDescriptor& method = *service.method(i);
    facts.insert(absl::StrCat("method /", service.full_name(), "/", method.name(), " (",
                              method.input_type()->full_name(), ") -> (",
                              method.output_type()->full_name(), ")",
                              method.client_streaming() ? " client-stream" : "",
                              method.server_streaming() ? " server-stream" : ""));
  }
}

// What protoc makes of every file in proto/vault, with what they import.
Facts FromProtoc(const std::string& descriptor_set) {
  std::ifstream stream(descriptor_set, std::ios::binary);
  pb::FileDescriptorSet set;
  EXPECT_TRUE(set.ParseFromIstream(&stream)) << descriptor_set;
  pb::DescriptorPool pool;
  Facts facts;
  for (const pb::FileDescriptorProto& proto : set.file()) {
    const pb::FileDescriptor* file = pool.BuildFile(proto);
    EXPECT_NE(file, nullptr) << proto.name();
    if (file == nullptr || !absl::StartsWith(proto.name(), "proto/vault/")) continue;
    EXPECT_EQ(file->syntax(), pb::FileDescriptor::SYNTAX_PROTO3) << proto.name();
    for (int i = 0; i < file->message_type_count(); ++i) AddMessage(*file->message_type(i), facts);
    for (int i = 0; i < file->enum_type_count(); ++i) AddEnum(*file->enum_type(i), facts);
    for (int i = 0; i < file->service_count(); ++i) AddService(*file->service(i), facts);
  }
  return facts;
}

// Facts of `left` that `right` lacks.
Facts Without(const Facts& left, const Facts& right) {
  Facts lacking;
  std::set_difference(left.begin(), left.end(), right.begin(), right.end(),
                      std::inserter(lacking, lacking.end()));
  return lacking;
}

class Descriptors : public testing::Test {
 protected:
  Descriptors() : list_(BELFRY_DESCRIPTOR_LIST) { EXPECT_TRUE(list_.is_open()); }
  std::ifstream list_;
};

TEST_F(Descriptors, OurFilesLackNothingOfTheProtocol) {
  EXPECT_THAT(Without(FromList(list_), FromProtoc(BELFRY_DESCRIPTOR_SET)), testing::IsEmpty());
}

TEST_F(Descriptors, OurFilesAddNothingToTheProtocol) {
  EXPECT_THAT(Without(FromProtoc(BELFRY_DESCRIPTOR_SET), FromList(list_)), testing::IsEmpty());
}

TEST_F(Descriptors, TheListIsReadWhole) {
  const Facts facts = FromList(list_);
  EXPECT_TRUE(facts.contains("method /pb.Events/SendEvent (pb.SendEventRequest) -> (pb.Empty)"));
  EXPECT_TRUE(facts.contains(
      "method /plugin.GRPCBroker/StartStream (plugin.ConnInfo) -> (plugin.ConnInfo) client-stream "
      "server-stream"));
  EXPECT_TRUE(facts.contains("field logical.Entity 4 map<string, string> metadata json=metadata"));
  EXPECT_TRUE(facts.contains("value plugin.StdioData.Channel 2 = STDERR"));
  EXPECT_FALSE(facts.contains("message kv.Version"));
}

TEST(DescriptorList, AFieldThatMovesToAnotherNumberIsADifference) {
  std::istringstream theirs("=== file a.proto\nmessage a.M\n    1  string  name  json=name\n");
  std::istringstream ours("=== file a.proto\nmessage a.M\n    2  string  name  json=name\n");
  EXPECT_THAT(Without(FromList(theirs), FromList(ours)),
              testing::ElementsAre("field a.M 1 string name json=name"));
}

}  // namespace
}  // namespace belfry::contract
