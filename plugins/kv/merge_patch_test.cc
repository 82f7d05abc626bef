#include "plugins/kv/merge_patch.h"

#include <gtest/gtest.h>

namespace belfry::kv {
namespace {

// The examples of RFC 7396, appendix A.
TEST(ApplyMergePatch, DoesWhatTheRfcShows) {
  struct Example {
    const char* original;
    const char* patch;
    const char* result;
  };
  for (const Example& example : std::initializer_list<Example>{
           {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
           {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
           {R"({"a":"b"})", R"({"a":null})", R"({})"},
           {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
           {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
           {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
           {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
           {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
           {R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
           {R"({"a":"b"})", R"(["c"])", R"(["c"])"},
           {R"({"a":"foo"})", R"(null)", R"(null)"},
           {R"({"a":"foo"})", R"("bar")", R"("bar")"},
           {R"({"e":null})", R"({"a":1})", R"({"a":1,"e":null})"},
           {R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
           {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
       }) {
    Json target = *Json::Parse(example.original);
    ApplyMergePatch(*Json::Parse(example.patch), target);
    EXPECT_EQ(target.Dump(), example.result) << example.original << " with " << example.patch;
  }
}

}  // namespace
}  // namespace belfry::kv
