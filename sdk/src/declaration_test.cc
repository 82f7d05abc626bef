// What an author may describe wrongly: each mistake beside what would be right.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "belfry/plugin.h"
#include "sdk/src/engine_instance.h"

namespace belfry {
namespace {

using ::testing::HasSubstr;

Result Nothing(Request&) {
  return Response::NoContent();
}
absl::Status Done(HookContext&) {
  return absl::OkStatus();
}

using Define = void (*)(Engine&);

// The sentences about it; empty when there are none.
std::string Mistakes(Define define) {
  const absl::Status status =
      internal::CheckDefinition({.name = "p", .version = "", .define = define});
  EXPECT_TRUE(status.ok() || status.code() == absl::StatusCode::kInvalidArgument);
  return {status.message().data(), status.message().size()};
}

TEST(PluginTest, WhatHasNoNameNoDefinitionOrNoSemanticVersionIsRefusedInASentence) {
  const Define define = [](Engine& e) { e.Path("a", "").OnRead(Nothing); };
  const auto said = [](const Plugin& plugin) {
    return std::string(ToStd(internal::CheckDefinition(plugin).message()));
  };
  EXPECT_EQ(said({.name = "", .define = define}), "it has no .name");
  EXPECT_EQ(said({.name = "p"}), "it has no .define");
  for (const char* version : {"", "v0.1.0", "v1.20.3-rc.1+build.5"}) {
    EXPECT_EQ(said({.name = "p", .version = version, .define = define}), "") << version;
  }
  for (const char* version : {"1.0", "v1", "v1.2", "1.2.3", "v01.2.3", "v1.2.3 ", "v1.2.3-"}) {
    EXPECT_EQ(said({.name = "p", .version = version, .define = define}),
              std::string("its .version \"") + version + "\" is not like \"v1.2.3\"");
  }
}

struct Case {
  const char* name;
  const char* sentence;
  Define mistake, twin;
};

const Case kCases[] = {
    {"AParameterThatThePatternLacks", "has no parameter {c}",
     [](Engine& e) { e.Path("a/{b}", "").OnRead(Nothing).Param("c"); },
     [](Engine& e) { e.Path("a/{b}", "").OnRead(Nothing).Param("b"); }},
    {"APatternThatDoesNotParse", "'{' without '}'",
     [](Engine& e) { e.Path("a/{b", "").OnRead(Nothing); },
     [](Engine& e) { e.Path("a/{b}", "").OnRead(Nothing); }},
    {"AnExpressionThatDoesNotParse", "does not parse",
     [](Engine& e) { e.PathRegex("a(", "").OnRead(Nothing); },
     [](Engine& e) { e.PathRegex("a()", "").OnRead(Nothing); }},
    {"ALeadingSlash", "must not begin with '/'",
     [](Engine& e) { e.Path("/a", "").OnRead(Nothing); },
     [](Engine& e) { e.Path("a", "").OnRead(Nothing); }},
    {"AnEmptySegment", "has an empty segment",
     [](Engine& e) { e.Path("a//b", "").OnRead(Nothing); },
     [](Engine& e) { e.Path("a/b", "").OnRead(Nothing); }},
    {"APathTwice", "is described already by path \"a\" (declaration_test.cc:",
     [](Engine& e) {
       e.Path("a", "").OnRead(Nothing);
       e.Path("a", "").OnList(Nothing);
     },
     [](Engine& e) {
       e.Path("a", "").OnRead(Nothing);
       e.Path("a/", "").OnList(Nothing);
     }},
    {"APathWithOtherNamesForTheSame", "is never reached: path \"a/{b}\" (declaration_test.cc:",
     [](Engine& e) {
       e.Path("a/{b}", "").OnRead(Nothing);
       e.Path("a/{c}", "").OnList(Nothing);
     },
     [](Engine& e) {
       e.Path("a/{b}", "").OnRead(Nothing);
       e.Path("a/{c}/", "").OnList(Nothing);
     }},
    {"APathBehindTheRest", "is never reached: path \"a/{rest...}\" (declaration_test.cc:",
     [](Engine& e) {
       e.Path("a/{rest...}", "").OnRead(Nothing);
       e.Path("a/b/{c}", "").OnRead(Nothing);
     },
     [](Engine& e) {
       e.Path("a/b/{c}", "").OnRead(Nothing);
       e.Path("a/{rest...}", "").OnRead(Nothing);
     }},
    {"APathBehindASegment", "is never reached: path \"a/{b}\" (declaration_test.cc:",
     [](Engine& e) {
       e.Path("a/{b}", "").OnRead(Nothing);
       e.Path("a/config", "").OnRead(Nothing);
     },
     [](Engine& e) {
       e.Path("a/config", "").OnRead(Nothing);
       e.Path("a/{b}", "").OnRead(Nothing);
     }},
    {"AnExpressionBehindTheRest", "is never reached: path \"data/{rest...}\"",
     [](Engine& e) {
       e.Path("data/{rest...}", "").OnRead(Nothing);
       e.PathRegex("data/(?P<path>.*[^/])", "").OnRead(Nothing);
     },
     [](Engine& e) {
       e.PathRegex("data/(?P<path>.*[^/])", "").OnRead(Nothing);
       e.Path("data/{rest...}", "").OnRead(Nothing);
     }},
    {"AFieldTwice", "declares \"f\" twice",
     [](Engine& e) {
       Route& route = e.Path("a", "").OnRead(Nothing);
       route.Field<bool>("f", "");
       route.Field<bool>("f", "");
     },
     [](Engine& e) {
       Route& route = e.Path("a", "").OnRead(Nothing);
       route.Field<bool>("f", "");
       route.Field<bool>("g", "");
     }},
    {"AParameterTwice", "declares \"b\" twice",
     [](Engine& e) {
       Route& route = e.Path("a/{b}", "").OnRead(Nothing);
       route.Param("b");
       route.Param("b");
     },
     [](Engine& e) {
       Route& route = e.Path("a/{b}/{c}", "").OnRead(Nothing);
       route.Param("b");
       route.Param("c");
     }},
    {"AFieldNamedLikeAParameter", "declares the field \"b\", which is the name of its parameter",
     [](Engine& e) { e.Path("a/{b}", "").OnRead(Nothing).Field<bool>("b", ""); },
     [](Engine& e) { e.Path("a/{b}", "").OnRead(Nothing).Field<bool>("c", ""); }},
    {"AFieldWithoutAName", "has a field without a name",
     [](Engine& e) { e.Path("a", "").OnRead(Nothing).Field<bool>("", ""); },
     [](Engine& e) { e.Path("a", "").OnRead(Nothing).Field<bool>("f", ""); }},
    {"ARequiredFieldWithADefault", "has Require and Default for the field \"f\"",
     [](Engine& e) {
       Route& route = e.Path("a", "").OnWrite(Nothing);
       const auto field = route.Field<bool>("f", "");
       route.Require(field).Default(field, true);
     },
     [](Engine& e) {
       Route& route = e.Path("a", "").OnWrite(Nothing);
       route.Default(route.Field<bool>("f", ""), true).Require(route.Field<bool>("g", ""));
     }},
    {"ADefaultTwice", "calls Default for the field \"f\" twice",
     [](Engine& e) {
       Route& route = e.Path("a", "").OnWrite(Nothing);
       const auto field = route.Field<bool>("f", "");
       route.Default(field, true).Default(field, false);
     },
     [](Engine& e) {
       Route& route = e.Path("a", "").OnWrite(Nothing);
       route.Default(route.Field<bool>("f", ""), true);
     }},
    {"ARequiredParameter", "calls Require for its parameter {b}",
     [](Engine& e) {
       Route& route = e.Path("a/{b}", "").OnWrite(Nothing);
       route.Require(route.Param("b"));
     },
     [](Engine& e) {
       Route& route = e.Path("a/{b}", "").OnWrite(Nothing);
       route.Sensitive(route.Param("b"));
     }},
    {"ADefaultOfAParameter", "calls Default for its parameter {b}",
     [](Engine& e) {
       Route& route = e.Path("a/{b}", "").OnWrite(Nothing);
       route.Default(route.Param("b"), "x");
     },
     [](Engine& e) {
       Route& route = e.Path("a/{b}", "").OnWrite(Nothing);
       route.AllowedValues(route.Param("b"), {"x", "y"});
     }},
    {"AParameterForAnOperation", "calls For for its parameter {b}",
     [](Engine& e) {
       Route& route = e.Path("a/{b}", "").OnWrite(Nothing).OnRead(Nothing);
       route.For(route.Param("b"), {Operation::kRead});
     },
     [](Engine& e) {
       Route& route = e.Path("a/{b}", "").OnWrite(Nothing).OnRead(Nothing);
       route.For(route.Field<bool>("f", ""), {Operation::kRead});
     }},
    {"AFieldForNoHandler", "has the field \"f\" For list, which has no handler",
     [](Engine& e) {
       Route& route = e.Path("a", "").OnRead(Nothing);
       route.For(route.Field<bool>("f", ""), {Operation::kList});
     },
     [](Engine& e) {
       Route& route = e.Path("a", "").OnRead(Nothing).OnList(Nothing);
       route.For(route.Field<bool>("f", ""), {Operation::kList});
     }},
    {"AFieldForNothing", "calls For without any operation",
     [](Engine& e) {
       Route& route = e.Path("a", "").OnRead(Nothing);
       route.For(route.Field<bool>("f", ""), {});
     },
     [](Engine& e) {
       Route& route = e.Path("a", "").OnRead(Nothing);
       route.For(route.Field<bool>("f", ""), {Operation::kRead});
     }},
    {"AFieldRequiredByPatchesAlone", "belongs to no operation that could be refused",
     [](Engine& e) {
       Route& route = e.Path("a", "").OnPatch(Nothing);
       route.Require(route.Field<bool>("f", ""));
     },
     [](Engine& e) {
       Route& route = e.Path("a", "").OnPatch(Nothing).OnWrite(Nothing);
       route.Require(route.Field<bool>("f", ""));
     }},
    {"NoAllowedValue", "calls AllowedValues for \"f\" without any value",
     [](Engine& e) {
       Route& route = e.Path("a", "").OnWrite(Nothing);
       route.AllowedValues(route.Field<std::string>("f", ""), {});
     },
     [](Engine& e) {
       Route& route = e.Path("a", "").OnWrite(Nothing);
       route.AllowedValues(route.Field<std::string>("f", ""), {""});
     }},
    {"ADefaultThatIsNotAllowed", "has a default for the field \"f\" that is none of",
     [](Engine& e) {
       Route& route = e.Path("a", "").OnWrite(Nothing);
       const auto field = route.Field<std::int64_t>("f", "");
       route.AllowedValues(field, {6, 8}).Default(field, 7);
     },
     [](Engine& e) {
       Route& route = e.Path("a", "").OnWrite(Nothing);
       const auto field = route.Field<std::int64_t>("f", "");
       route.AllowedValues(field, {6, 8}).Default(field, 8);
     }},
    {"AFieldOfAnotherPath", "calls Require for the field \"f\" of path \"a\" (declaration_test.cc:",
     [](Engine& e) {
       const auto field = e.Path("a", "").OnWrite(Nothing).Field<bool>("f", "");
       e.Path("b", "").OnWrite(Nothing).Require(field);
     },
     [](Engine& e) {
       Route& route = e.Path("b", "").OnWrite(Nothing);
       route.Require(route.Field<bool>("f", ""));
     }},
    {"AHandlerTwice", "calls OnRead twice",
     [](Engine& e) { e.Path("a", "").OnRead(Nothing).OnRead(Nothing); },
     [](Engine& e) { e.Path("a", "").OnRead(Nothing).OnList(Nothing); }},
    {"WriteAndCreate", "has OnWrite and OnCreate",
     [](Engine& e) { e.Path("a", "").OnWrite(Nothing).OnCreate(Nothing); },
     [](Engine& e) { e.Path("a", "").OnUpdate(Nothing).OnCreate(Nothing); }},
    {"UpdateAndWrite", "has OnWrite and OnUpdate",
     [](Engine& e) { e.Path("a", "").OnUpdate(Nothing).OnWrite(Nothing); },
     [](Engine& e) { e.Path("a", "").OnWrite(Nothing).OnPatch(Nothing); }},
    {"OnlyUpdatesThatUpsert", "has OnlyUpdates and Upserts",
     [](Engine& e) { e.Path("a", "").OnWrite(Nothing).OnlyUpdates().Upserts(); },
     [](Engine& e) { e.Path("a", "").OnWrite(Nothing).Upserts(); }},
    {"OnlyUpdatesThatCreate", "has OnlyUpdates and OnCreate",
     [](Engine& e) { e.Path("a", "").OnUpdate(Nothing).OnCreate(Nothing).OnlyUpdates(); },
     [](Engine& e) { e.Path("a", "").OnUpdate(Nothing).OnlyUpdates(); }},
    {"OnlyUpdatesOfWhatMayExist", "has OnlyUpdates and ExistsIf",
     [](Engine& e) {
       e.Path("a", "").OnWrite(Nothing).OnlyUpdates().ExistsIf([](Request&) { return true; });
     },
     [](Engine& e) { e.Path("a", "").OnWrite(Nothing).ExistsIf([](Request&) { return true; }); }},
    {"UpsertsWithTwoHandlers", "has Upserts, which needs OnWrite",
     [](Engine& e) { e.Path("a", "").OnUpdate(Nothing).OnCreate(Nothing).Upserts(); },
     [](Engine& e) { e.Path("a", "").OnWrite(Nothing).Upserts(); }},
    {"OnlyUpdatesWithoutAny", "has OnlyUpdates, but no handler for updates",
     [](Engine& e) { e.Path("a", "").OnRead(Nothing).OnlyUpdates(); },
     [](Engine& e) { e.Path("a", "").OnWrite(Nothing).OnlyUpdates(); }},
    {"ExistsIfNothingIsWritten", "has ExistsIf, but no handler for creates or updates",
     [](Engine& e) { e.Path("a", "").OnRead(Nothing).ExistsIf([](Request&) { return true; }); },
     [](Engine& e) { e.Path("a", "").OnCreate(Nothing).ExistsIf([](Request&) { return true; }); }},
    {"APathWithoutHandlers", "has no handler", [](Engine& e) { e.Path("a", ""); },
     [](Engine& e) { e.Path("a", "").OnDelete(Nothing); }},
    {"ANullHandler", "calls OnRead with null", [](Engine& e) { e.Path("a", "").OnRead(nullptr); },
     [](Engine& e) { e.Path("a", "").OnRead(&Nothing); }},
    {"ANullCheck", "calls ExistsIf with null",
     [](Engine& e) { e.Path("a", "").OnWrite(Nothing).ExistsIf(nullptr); },
     [](Engine& e) { e.Path("a", "").OnWrite(Nothing); }},
    {"NoPeriod", "Every is called with the period 0;",
     [](Engine& e) { e.Every(absl::ZeroDuration(), Done); },
     [](Engine& e) { e.Every(absl::Nanoseconds(1), Done); }},
    {"ANegativePeriod", "Every is called with the period -1m;",
     [](Engine& e) { e.Every(-absl::Minutes(1), Done); },
     [](Engine& e) { e.Every(absl::Minutes(1), Done); }},
    {"APeriodWithoutEnd", "Every is called with the period inf;",
     [](Engine& e) { e.Every(absl::InfiniteDuration(), Done); },
     [](Engine& e) { e.Every(absl::Hours(24 * 365), Done); }},
    {"ANullHook", "Every is called with null",
     [](Engine& e) { e.Every(absl::Minutes(1), nullptr); },
     [](Engine& e) { e.Every(absl::Minutes(1), Done); }},
    {"AHookTwice", "OnInitialize is called twice",
     [](Engine& e) { e.OnInitialize(Done).OnInitialize(Done); },
     [](Engine& e) { e.OnInitialize(Done).InBackground(Done).InBackground(Done); }},
    {"ANullBackground", "InBackground is called with null",
     [](Engine& e) { e.InBackground(nullptr); }, [](Engine& e) { e.OnCleanup(Done); }},
    {"ADescriptionTwice", "Describe is called twice",
     [](Engine& e) { e.Describe("a").Describe("b"); }, [](Engine& e) { e.Describe("a"); }},
    {"ASecretTwice", "secret \"s\" is described twice",
     [](Engine& e) {
       for (int i = 0; i < 2; ++i)
         e.Secret("s").OnRevoke([](Request&, const LeasedSecret&) { return absl::OkStatus(); });
     },
     [](Engine& e) {
       for (const char* name : {"s", "t"})
         e.Secret(name).OnRevoke([](Request&, const LeasedSecret&) { return absl::OkStatus(); });
     }},
    {"ASecretThatCannotBeRevoked", "secret \"s\" cannot be revoked",
     [](Engine& e) { e.Secret("s"); },
     [](Engine& e) {
       e.Secret("s").OnRevoke([](Request&, const LeasedSecret&) { return absl::OkStatus(); });
     }},
    {"AMisspeltRootPath", "RootOnly names \"acounts\", which no path of this engine matches",
     [](Engine& e) { e.RootOnly({"acounts"}).Path("accounts", "").OnList(Nothing); },
     [](Engine& e) { e.RootOnly({"accounts/"}).Path("accounts", "").OnList(Nothing); }},
    {"AMisspeltOpenPath", "Unauthenticated names \"lgin/*\", which no path",
     [](Engine& e) { e.Unauthenticated({"lgin/*"}).Path("login/{a}", "").OnRead(Nothing); },
     [](Engine& e) { e.Unauthenticated({"login/*"}).Path("login/{a}", "").OnRead(Nothing); }},
    {"AnOpenPathForRoot", "RootOnly and Unauthenticated both name \"a\"",
     [](Engine& e) { e.RootOnly({"a"}).Unauthenticated({"a"}).Path("a", "").OnRead(Nothing); },
     [](Engine& e) { e.RootOnly({"a"}).Path("a", "").OnRead(Nothing); }},
};

class Declaration : public ::testing::TestWithParam<Case> {};

TEST_P(Declaration, ThatContradictsItselfIsRefusedInASentence) {
  EXPECT_THAT(Mistakes(GetParam().mistake), HasSubstr(GetParam().sentence));
  // Nothing else is said of it.
  EXPECT_EQ(Mistakes(GetParam().mistake).find("; path"), std::string::npos)
      << Mistakes(GetParam().mistake);
  EXPECT_EQ(Mistakes(GetParam().twin), "");
}

INSTANTIATE_TEST_SUITE_P(Of, Declaration, ::testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Declaration, EachMistakeHasItsSentence) {
  EXPECT_THAT(
      Mistakes([](Engine& e) {
        e.Path("a", "").OnRead(Nothing).OnRead(Nothing);
        e.Path("b", "");
        e.Every(absl::ZeroDuration(), nullptr);
      }),
      ::testing::MatchesRegex(
          "Every is called with the period 0; it must be more than zero, and finite; "
          "Every is called with null; "
          "path \"a\" \\(declaration_test.cc:[0-9]+\\) calls OnRead twice; "
          "path \"b\" \\(declaration_test.cc:[0-9]+\\) has no handler: call OnRead, OnWrite "
          "or another"));
}

TEST(Declaration, BothPlacesOfAPathThatIsDescribedTwiceAreNamed) {
  const int line = __LINE__;
  const std::string said = Mistakes([](Engine& e) {
    e.Path("a", "").OnRead(Nothing);
    e.Path("a", "").OnRead(Nothing);
  });
  EXPECT_EQ(said, "path \"a\" (declaration_test.cc:" + std::to_string(line + 3) +
                      ") is described already by path \"a\" (declaration_test.cc:" +
                      std::to_string(line + 2) + ")");
}

}  // namespace
}  // namespace belfry
