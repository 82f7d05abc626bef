#include "server/api/canonical_path.h"

#include <gtest/gtest.h>

#include <random>

#include "gmock/gmock.h"
#include "server/builtin/canonical_names.h"

namespace belfry::api {
namespace {

using mounts::Operation;
using ::testing::ElementsAre;

// "307 LOCATION", another status, or "" when the request may go on.
std::string Refusal(std::string target, std::string path) {
  HttpRequest request;
  request.target = std::move(target);
  request.path = std::move(path);
  const std::optional<builtin::Answer> refusal = RefuseTarget(request, Limits());
  if (!refusal) return "";
  std::string text = std::to_string(refusal->status);
  for (const auto& [name, value] : refusal->headers) {
    if (name == "Location") text += " " + value;
  }
  return text;
}

// Of a target without escapes.
std::string Refusal(const std::string& target) {
  return Refusal(target, target.substr(0, target.find('?')));
}

TEST(RefuseTargetTest, APathThatIsWrittenUncleanIsRedirectedToTheCleanOne) {
  const std::pair<const char*, const char*> cases[] = {
      {"/v1//secret/data/a", "307 /v1/secret/data/a"},
      {"//v1/secret/data/a", "307 /v1/secret/data/a"},
      {"///v1///secret//data/a///", "307 /v1/secret/data/a/"},
      {"/v1/./secret/data/a", "307 /v1/secret/data/a"},
      {"/v1/secret/x/../data/a", "307 /v1/secret/data/a"},
      {"/v1/secret/data/a/.", "307 /v1/secret/data/a"},
      {"/v1/secret/data/a/..", "307 /v1/secret/data"},
      {"/v1/../../../v1/sys/mounts", "307 /v1/sys/mounts"},
      {"/v1/sys//mounts?list=true&x=//a", "307 /v1/sys/mounts?list=true&x=//a"},
      {"//", "307 /"},
      {"/..", "307 /"},
      {"/v1/secret/data/...", ""},
      {"/v1/secret/data/.a/b..", ""},
      {"/v1/secret/data/a/", ""},
      {"/v1/secret/data/a?x=//../", ""},
      {"/", ""}};
  for (const auto& [target, expected] : cases) EXPECT_EQ(Refusal(target), expected) << target;
}

TEST(RefuseTargetTest, EscapesStayAsTheyAreInTheLocation) {
  EXPECT_EQ(Refusal("/v1//secret/a%2Fb%25%20c?x=%2F", "/v1//secret/a/b% c"),
            "307 /v1/secret/a%2Fb%25%20c?x=%2F");
}

TEST(RefuseTargetTest, NoLocationLeadsToAnotherHost) {
  for (const char* target : {"//evil.example/v1/a", "///evil.example", "/.//evil.example",
                             "/x/..//evil.example", "/../..//evil.example/"}) {
    EXPECT_THAT(Refusal(target), ::testing::StartsWith("307 /evil.example")) << target;
  }
  EXPECT_EQ(Refusal("//\\evil.example"), "307 /%5Cevil.example");
  EXPECT_EQ(Refusal("//\\\\evil.example"), "307 /%5C%5Cevil.example");
  EXPECT_EQ(Refusal("//v1/a?x=\"<b>"), "307 /v1/a?x=%22%3Cb%3E");
}

TEST(RefuseTargetTest, APathThatOnlyDecodesIntoAnUncleanOneIsRefused) {
  EXPECT_EQ(Refusal("/v1/sys/mounts/%2Fsecret", "/v1/sys/mounts//secret"), "400");
  EXPECT_EQ(Refusal("/%2Fv1/sys/mounts", "//v1/sys/mounts"), "400");
  EXPECT_EQ(Refusal("/v1/secret/%2e%2E/sys", "/v1/secret/../sys"), "400");
  EXPECT_EQ(Refusal("/v1/secret/%2e/a", "/v1/secret/./a"), "400");
  EXPECT_EQ(Refusal("/v1/secret/a%2F%2E%2E", "/v1/secret/a/.."), "400");
  // A single slash, however it is written, is the same name.
  EXPECT_EQ(Refusal("/v1/secret%2Fdata%2Fa", "/v1/secret/data/a"), "");
  // What is encoded twice is decoded once.
  EXPECT_EQ(Refusal("/v1/secret/%252F%252e%252e", "/v1/secret/%2F%2e%2e"), "");
}

TEST(RefuseTargetTest, WhatCannotBePrintedOrIsTooLongIsRefused) {
  const Limits limits;
  EXPECT_EQ(Refusal("/v1/secret/%00", std::string("/v1/secret/\0", 12)), "400");
  EXPECT_EQ(Refusal("/v1/secret/%0a", "/v1/secret/\n"), "400");
  EXPECT_EQ(Refusal("/v1/secret/%ff", "/v1/secret/\xff"), "400");
  EXPECT_EQ(Refusal("/" + std::string(limits.max_request_path_bytes, 'a')), "");
  EXPECT_EQ(Refusal("/" + std::string(limits.max_request_path_bytes + 1, 'a')), "400");
  std::string segments;
  for (std::size_t i = 0; i < limits.max_request_path_segments; ++i) segments += "/a";
  EXPECT_EQ(Refusal(segments), "");
  EXPECT_EQ(Refusal(segments + "/a"), "400");
  EXPECT_EQ(Refusal(std::string(limits.max_request_path_segments + 1, '/')), "400");
  const std::optional<builtin::Answer> refusal =
      builtin::RefusePath(segments.substr(1) + "/a", limits);
  ASSERT_TRUE(refusal.has_value());
  EXPECT_THAT(refusal->errors, ElementsAre("a path may have 256 segments"));
}

std::string Canonical(std::string_view path, Operation operation = Operation::kRead) {
  return CanonicalPath(path, operation).value_or("nameless");
}

TEST(CanonicalPathTest, ASlashEndsThePathsOfListsOnly) {
  EXPECT_EQ(Canonical("secret/data/a/"), "secret/data/a");
  EXPECT_EQ(Canonical("secret/data/a"), "secret/data/a");
  EXPECT_EQ(Canonical("secret/metadata/a", Operation::kList), "secret/metadata/a/");
  EXPECT_EQ(Canonical("secret/metadata/a/", Operation::kList), "secret/metadata/a/");
  EXPECT_EQ(Canonical("", Operation::kList), "");
  EXPECT_EQ(Canonical(""), "");
}

TEST(CanonicalPathTest, PolicyNamesAndEventTypesAreThoseThatAreActedOn) {
  for (const char* api : {"sys/policies/acl/", "sys/policy/"}) {
    const std::string folder = api;
    for (const char* name : {"ADMIN", " admin", "Admin  ", "admin/", "admin /", " aDmiN /"}) {
      EXPECT_EQ(Canonical(folder + name), folder + "admin") << name;
    }
    EXPECT_EQ(Canonical(folder + "  "), folder.substr(0, folder.size() - 1));
    EXPECT_EQ(Canonical(folder + " /admin"), "nameless");
    EXPECT_EQ(Canonical(folder + "admin/ "), "nameless");
  }
  EXPECT_EQ(Canonical("sys/events/subscribe/ kv-Secret "), "sys/events/subscribe/kv-Secret");
  EXPECT_EQ(Canonical("sys/events/explain/kv /"), "sys/events/explain/kv");
  EXPECT_EQ(Canonical("sys/events/subscribe/ "), "sys/events/subscribe");
  EXPECT_EQ(Canonical("sys/policies/acl/", Operation::kList), "sys/policies/acl/");
  // Others mean what they say.
  EXPECT_EQ(Canonical("secret/data/ A "), "secret/data/ A ");
  EXPECT_EQ(Canonical("sys/mounts/Secret "), "sys/mounts/Secret ");
}

TEST(CanonicalPathTest, OnceIsEnough) {
  // The seed is part of the test: the same paths in each run.
  std::mt19937 random(11);  // NOLINT(cert-msc51-cpp)
  const std::string_view parts[] = {"/", "//", ".",    "..",       "a", "ADMIN",
                                    " ", "%",  "\xc3", "\xc3\xa4", "+", "*"};
  for (int i = 0; i < 20'000; ++i) {
    std::string path = i % 3 == 0 ? "sys/policies/acl/" : i % 3 == 1 ? "sys/events/explain/" : "";
    for (unsigned count = random() % 7; count > 0; --count)
      path += parts[random() % std::size(parts)];
    for (const Operation operation : {Operation::kRead, Operation::kList}) {
      const std::optional<std::string> once = CanonicalPath(path, operation);
      if (!once) continue;
      EXPECT_EQ(CanonicalPath(*once, operation), once) << path;
    }
    const std::string names = builtin::WithCanonicalNames(path);
    EXPECT_EQ(builtin::WithCanonicalNames(names), names) << path;
    // A redirect leads to a path that is not redirected, and stays on this server.
    const std::string redirect = Refusal("/" + path);
    if (!redirect.starts_with("307 ")) continue;
    const std::string location = redirect.substr(4);
    EXPECT_TRUE(location.starts_with('/') && !location.starts_with("//")) << path;
    EXPECT_FALSE(Refusal(location).starts_with("307")) << path;
  }
}

}  // namespace
}  // namespace belfry::api
