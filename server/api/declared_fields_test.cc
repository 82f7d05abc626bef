#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/api/fakes.h"
#include "server/builtin/testing.h"

namespace belfry::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Whatever a handler does with the field, it is not asked: nothing has happened.
TEST(DeclaredFields, EveryEndpointThatWritesRefusesAWrongType) {
  ApiFixture fixture;
  builtin::ForEachField(
      [&fixture](const builtin::Endpoint& endpoint, const builtin::DeclaredField& field) {
        if (endpoint.operation != mounts::Operation::kUpdate) return;
        for (const std::string& value : builtin::TakenBy(field.kind).wrong) {
          const std::string body = builtin::Body(field.name, value);
          const HttpResponse answer =
              fixture.Send(AsRoot("POST", "/v1/" + builtin::PathOf(endpoint), body));
          EXPECT_EQ(answer.status, 400) << endpoint.path << " " << body << answer.body;
          EXPECT_THAT(answer.body, HasSubstr("Field validation failed: error converting input for "
                                             "field \\\"" +
                                             std::string(field.name) + "\\\": "))
              << endpoint.path << " " << body;
        }
      });
  EXPECT_THAT(fixture.leases.asked, ElementsAre());
}

}  // namespace
}  // namespace belfry::api
