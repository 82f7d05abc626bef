#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/builtin/builtin.h"
#include "server/builtin/endpoint.h"

namespace belfry::builtin {

// For tests about all fields of all endpoints.

// JSON values that a field takes, and that it does not.
struct Taken {
  std::vector<std::string> right;
  std::vector<std::string> wrong;
};

// What nothing but text, or a list or a map of texts, could be made of.
inline const std::vector<std::string> kNeverScalar = {
    "[]",     R"(["x"])",     "[[]]", R"([["x"]])",    R"([{"name":"x"}])", "[null]",       "[1]",
    "[true]", R"([["x"],1])", "{}",   R"({"x":true})", R"({"x":{"y":1}})",  R"({"x":null})"};

inline Taken With(std::vector<std::string> right, std::vector<std::string> more_wrong) {
  more_wrong.insert(more_wrong.end(), kNeverScalar.begin(), kNeverScalar.end());
  return {std::move(right), std::move(more_wrong)};
}

inline Taken TakenBy(FieldKind kind) {
  using enum FieldKind;
  switch (kind) {
    case kText:
      return With({R"("")", R"("x")", R"("a,b")", "1", "1.5", "true", "false"}, {});
    case kBool:
      return With({"true", "false", "1", "0", R"("true")", R"("1")", R"("F")", R"("")"},
                  {R"("yes")", "2", "1.5"});
    case kNumber:
      return With({"5", "-5", "0", R"("5")", "1.0", R"("0x5")", R"("")"},
                  {R"("x")", "1.5", R"("1.5")", R"("5s")", "1e30"});
    case kJsonBool:
      return With({"true", "false"}, {"1", "0", R"("true")", R"("")", "1.5"});
    case kJsonNumber:
      return With({"5", "-5", "0", "1.0"},
                  {R"("5")", R"("")", "true", "false", "1.5", "1e30", R"("x")"});
    case kDuration:
      return With({"60", R"("60")", R"("1h30m")", "0", R"("")"},
                  {R"("soon")", "true", "-5", R"("-5s")", "1e30"});
    case kSignedDuration:
      return With({"60", R"("1h")", "-5", R"("-5s")", R"("")"}, {R"("soon")", "false"});
    case kLeaseTime:
      return With({"60", R"("1h")", R"("system")", R"("")"}, {R"("soon")", "true", "-5"});
    case kTextList:
      return {{R"("")", R"("a")", R"("a,b")", "[]", R"(["a"])", R"(["a","b"])"},
              {"1", "1.5", "true", "false", "{}", R"({"a":true})", R"([["a"]])", "[[]]", "[1]",
               "[true]", "[null]", R"(["a",null])", R"([{"name":"a"}])", R"(["a",["b"]])",
               R"([""])", R"(["a"," "])", R"(",")", R"(" ")"}};
    case kTextMap:
      return {{"{}", R"({"a":"b"})", R"({"a":1})", R"({"a":true})", R"({"a":null})"},
              {"1", "1.5", "true", "false", R"("")", R"("a=b")", "[]", R"(["a=b"])", "[null]",
               R"([{"a":"b"}])", R"({"a":["b"]})", R"({"a":{}})", R"({"a":{"b":"c"}})"}};
    case kObject:
      return {{"{}", R"({"x":null})"},
              {"1", "1.5", "true", "false", R"("")", R"("{}")", "[]", "[null]", "[{}]"}};
  }
  return {};
}

// The endpoint's path with a name where it takes any.
inline std::string PathOf(const Endpoint& endpoint) {
  std::string path(endpoint.path);
  if (const std::size_t star = path.find('*'); star != std::string::npos) {
    path.replace(star, 1, star > 0 && path[star - 1] == '/' ? "x" : "/x");
  }
  return path;
}

// {"field":value}, or {"object":{"member":value}}.
inline std::string Body(std::string_view field, const std::string& value) {
  const std::size_t dot = field.find('.');
  if (dot == std::string_view::npos) return "{\"" + std::string(field) + "\":" + value + "}";
  return "{\"" + std::string(field.substr(0, dot)) + "\":" + Body(field.substr(dot + 1), value) +
         "}";
}

inline void ForEachField(const std::function<void(const Endpoint&, const DeclaredField&)>& claim) {
  for (const Endpoint* endpoint : AllEndpoints()) {
    for (const DeclaredField& field : endpoint->fields) claim(*endpoint, field);
  }
}

}  // namespace belfry::builtin
