#include "server/api/engine_answer.h"

#include <gtest/gtest.h>

#include <string>

namespace belfry::api {
namespace {

using mounts::Operation;

bool MayRedirect(std::string_view location, Operation operation = Operation::kRead) {
  return WhyNotRedirect(location, operation, "team/notes/").empty();
}

TEST(EngineAnswer, ARedirectLeadsToAPathOfThisHost) {
  for (const char* location : {"/", "/v1/secret/data/foo", "/v1/secret/metadata/?list=true",
                               "/v1/team/notes/a%20b", "/ui/#x", "/v1/a?next=//b/../c"}) {
    EXPECT_TRUE(MayRedirect(location)) << location;
  }
}

TEST(EngineAnswer, ARedirectLeadsNowhereElse) {
  for (const char* location : {"",
                               "http://127.0.0.1:1/v1/x",
                               "HTTPS://evil",
                               "javascript:alert(1)",
                               "//evil/x",
                               "/\\evil/x",
                               "\\\\evil",
                               "/v1\\x",
                               "v1/secret",
                               "?list=true",
                               "#x",
                               " /v1/x",
                               "/v1/ x",
                               "/v1/x\r\nSet-Cookie: a=b",
                               "/v1/\tx",
                               "/\t/evil",
                               "/v1/\x7f",
                               "/v1/\xc2\x85",
                               "/v1//x",
                               "/v1/./x",
                               "/v1/x/..",
                               "/v1/x/../../y",
                               "/v1/%2e%2E/x",
                               "/%2Fevil",
                               "/v1/a%5cb",
                               "/."}) {
    EXPECT_FALSE(MayRedirect(location)) << location;
  }
  EXPECT_FALSE(MayRedirect(std::string("/v1/\0x", 6)));
  EXPECT_FALSE(MayRedirect("/" + std::string(9000, 'x')));
}

// No byte in any place makes a redirect that a browser, curl or our client would send elsewhere.
TEST(EngineAnswer, WhateverByteIsPutInARedirectItKeepsToThisHost) {
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t at = 0; at < 3; ++at) {
      std::string location = "/v1/evil";
      location.insert(at, 1, static_cast<char>(byte));
      if (!MayRedirect(location)) continue;
      EXPECT_EQ(location[0], '/') << byte;
      EXPECT_TRUE(location[1] != '/' && location[1] != '\\') << byte;
      EXPECT_TRUE(byte > ' ' && byte < 0x7f) << byte;
    }
  }
}

TEST(EngineAnswer, AWriteIsSentOnWithinItsMountOnly) {
  for (const Operation operation :
       {Operation::kCreate, Operation::kUpdate, Operation::kPatch, Operation::kDelete}) {
    EXPECT_TRUE(MayRedirect("/v1/team/notes/b", operation));
    for (const char* location : {"/v1/sys/seal", "/v1/team/notes", "/v1/team/notes2/b",
                                 "/v1/team/other", "/team/notes/b", "/v1/team/notes/../x"}) {
      EXPECT_FALSE(MayRedirect(location, operation)) << location;
    }
  }
}

TEST(EngineAnswer, AHeaderValueIsVisibleText) {
  for (const char* value : {"", "text/plain; charset=utf-8", "a\tb", "Basic realm=\"x\""}) {
    EXPECT_TRUE(IsHeaderValue(value)) << value;
  }
  for (int byte = 0; byte < 256; ++byte) {
    const bool visible = byte == '\t' || (byte >= ' ' && byte < 0x7f);
    EXPECT_EQ(IsHeaderValue("text/" + std::string(1, static_cast<char>(byte)) + "x"), visible)
        << byte;
  }
  EXPECT_FALSE(IsHeaderValue(std::string(8193, 'x')));
}

}  // namespace
}  // namespace belfry::api
