#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "belfry/response.h"
#include "belfry/testing/fake_host.h"

namespace belfry::testing {

// For tests of plugins: matchers for what a TestHost answers and records, and a fixture. There is
// none for "is an error": a test names the code it expects.

// A Result that is an answer without content (204).
MATCHER(IsNoContent, "is a response without content") {
  return arg.ok() && arg->kind() == Response::Kind::kNoContent;
}

// A Result that says there is no such thing (404).
MATCHER(IsNotFound, "says that there is no such thing") {
  return arg.ok() && arg->kind() == Response::Kind::kNotFound;
}

// A Result with exactly this data, given as compact JSON with sorted members:
// IsData(R"({"text":"hi"})").
MATCHER_P(IsData, json, "is data " + ::testing::PrintToString(json)) {
  if (!arg.ok()) {
    *result_listener << arg.status();
    return false;
  }
  const std::string data = Json(arg->data()).Dump();
  *result_listener << data;
  return data == json;
}

// A Result or status with this code and a message that contains `text`.
MATCHER_P2(FailsWith, code, text,
           "fails with " + ::testing::PrintToString(code) + " and says " +
               ::testing::PrintToString(text)) {
  *result_listener << arg.status();
  const auto message = arg.status().message();
  return arg.status().code() == code &&
         std::string(message.data(), message.size()).find(text) != std::string::npos;
}

// A SentEvent of this type whose path is this.
MATCHER_P2(EventIs, type, path,
           "is an event " + ::testing::PrintToString(type) + " on " +
               ::testing::PrintToString(path)) {
  const auto it = arg.metadata.find("path");
  return arg.type == type && it != arg.metadata.end() && it->second == path;
}

// A fixture whose tests run on the fake and over the real wire, so that the easy way and the real
// one cannot differ:
//   class NotesTest : public belfry::testing::OnBothHosts {
//    protected:
//     const std::unique_ptr<TestHost> host_ = NewHost(DefineNotes);
//   };
//   BELFRY_RUN_ON_BOTH_HOSTS(NotesTest);
//   TEST_P(NotesTest, …)
class OnBothHosts : public ::testing::TestWithParam<std::unique_ptr<TestHost> (*)(void (*)(Engine&),
                                                                                  MountOptions)> {
 protected:
  static std::unique_ptr<TestHost> NewHost(void (*define)(Engine&), MountOptions options = {}) {
    return GetParam()(define, std::move(options));
  }
};

#define BELFRY_RUN_ON_BOTH_HOSTS(Fixture)                                                    \
  INSTANTIATE_TEST_SUITE_P(Fake, Fixture, ::testing::Values(&belfry::testing::NewFakeHost)); \
  INSTANTIATE_TEST_SUITE_P(Wire, Fixture, ::testing::Values(&belfry::testing::NewWireHost))
// For plugins that are served as EngineKind::kAuth.
#define BELFRY_RUN_ON_BOTH_AUTH_HOSTS(Fixture)                                                   \
  INSTANTIATE_TEST_SUITE_P(Fake, Fixture, ::testing::Values(&belfry::testing::NewFakeAuthHost)); \
  INSTANTIATE_TEST_SUITE_P(Wire, Fixture, ::testing::Values(&belfry::testing::NewWireAuthHost))

}  // namespace belfry::testing
