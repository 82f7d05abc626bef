#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "server/api/fakes.h"

// The Api over fakes, for the tests of what it answers.

namespace belfry::api {

// With every uuid replaced by "ID".
inline std::string Masked(std::string body) {
  constexpr std::string_view kHex = "0123456789abcdef-";
  for (std::size_t begin = 0; begin < body.size(); ++begin) {
    const std::size_t end = std::min(body.find_first_not_of(kHex, begin), body.size());
    if (end - begin == 36) body.replace(begin, 36, "ID");
  }
  return body;
}

class ApiTest : public ::testing::Test {
 protected:
  ApiFixture fixture_;
  FakeEngine& engine_ = *fixture_.engine;

  HttpResponse Send(HttpRequest request) { return fixture_.Send(std::move(request)); }
  HttpResponse Get(std::string path) { return Send(AsRoot("GET", std::move(path))); }
};

}  // namespace belfry::api
