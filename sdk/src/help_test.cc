#include "sdk/src/help.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "belfry/testing/fake_host.h"
#include "belfry/testing/matchers.h"

namespace belfry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

void DefineLibrary(Engine& engine) {
  engine.Describe("Lends books.").RootOnly({"shelves/*"}).Unauthenticated({"opening-hours"});
  const auto nothing = [](Request&) -> Result { return Response::NoContent(); };
  Route& book =
      engine.Path("books/{title...}", "One book.\n\nIt is lent for a month, and late ones cost.\n");
  const auto reader = book.Field<std::string>("reader", "Who wants it.");
  const auto days = book.Field<absl::Duration>("for", "How long.");
  const auto tags = book.Field<std::vector<std::int64_t>>("tags", "What it is about.");
  book.Require(reader).Sensitive(reader).Default(days, absl::Hours(24 * 30)).Default(tags, {1, 2});
  book.OnRead(nothing).OnWrite(nothing).OnPatch(nothing).OnDelete(nothing);
  Route& shelf = engine.PathRegex("shelves/(?P<row>[a-z]+)/(?P<number>\\d+)/?", "A shelf.");
  shelf.Param("number", "Which one in its row.");
  shelf.OnList(nothing).AcceptAnyField();
  engine.PathRegex("(a|b)/.*", "What no template says.").OnUpdate(nothing);
  engine.Path("opening-hours", "When we are there.").OnRead(nothing).OnList(nothing);
}

class HelpTest : public testing::OnBothHosts {
 protected:
  std::string Text(std::string_view path) {
    return *host_->Help(path)->data().at("help").if_string();
  }
  Json Paths(std::string_view path) {
    const Json document = host_->Help(path)->data().at("openapi");
    EXPECT_EQ(*document.Find("openapi")->if_string(), "3.0.2");
    return *document.Find("paths");
  }
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineLibrary);
};
BELFRY_RUN_ON_BOTH_HOSTS(HelpTest);

TEST_P(HelpTest, OfAPathTellsAllThatIsDeclared) {
  EXPECT_EQ(Text("books/sea/moby-dick"), R"(Request:        books/sea/moby-dick
Matching route: books/{title...}
Operations:     read, create, update, patch, delete

One book.

## PARAMETERS

    title (string, part of the path)

    reader (string, required, sensitive)
        Who wants it.

    for (duration)
        How long.
        Default: "720h"

    tags (list of integers)
        What it is about.
        Default: [1,2]

## DESCRIPTION

It is lent for a month, and late ones cost.
)");
  EXPECT_THAT(Text("shelves/a/1"), HasSubstr("Any other field is accepted, too."));
}

TEST_P(HelpTest, OfTheEngineNamesItsPaths) {
  EXPECT_EQ(Text(""), R"(## DESCRIPTION

Lends books.

## PATHS

Without the mount; help on each of them tells its fields.

    books/{title...}
        One book.

    shelves/(?P<row>[a-z]+)/(?P<number>\d+)/?
        A shelf.

    (a|b)/.*
        What no template says.

    opening-hours
        When we are there.
)");
}

TEST_P(HelpTest, ToleratesATrailingSlashAndKnowsItsPaths) {
  EXPECT_THAT(Text("opening-hours/"), HasSubstr("When we are there."));
  EXPECT_THAT(host_->Help("nowhere"),
              testing::FailsWith(absl::StatusCode::kUnimplemented, "unsupported path"));
}

TEST_P(HelpTest, OpenApiHasTheBodyOfAWrite) {
  const Json paths = Paths("books/a");
  EXPECT_EQ(paths.if_object()->size(), 1u);
  const Json& item = *paths.Find("/books/{title}");
  EXPECT_EQ(item.Find("parameters")->Dump(),
            R"([{"description":"","in":"path","name":"title","required":true,)"
            R"("schema":{"type":"string"}}])");
  EXPECT_EQ(
      item.Find("post")->Find("requestBody")->Find("content")->Dump(),
      R"({"application/json":{"schema":{"properties":{)"
      R"("for":{"default":"720h","description":"How long.","format":"duration","type":"string"},)"
      R"("reader":{"description":"Who wants it.","type":"string",)"
      R"("x-vault-displayAttrs":{"sensitive":true}},)"
      R"("tags":{"default":[1,2],"description":"What it is about.",)"
      R"("items":{"format":"int64","type":"integer"},"type":"array"}},)"
      R"("required":["reader"],"type":"object"}}})");
  // A patch needs nothing.
  EXPECT_THAT(item.Find("patch")->Dump(), HasSubstr("application/merge-patch+json"));
  EXPECT_THAT(item.Find("patch")->Dump(), Not(HasSubstr("\"required\":[")));
  EXPECT_EQ(item.Find("delete")->Dump(),
            R"({"operationId":"delete-books-title",)"
            R"("responses":{"204":{"description":"empty body"}},"summary":"One book."})");
  // None of its fields is for reads.
  EXPECT_EQ(item.Find("get")->Find("parameters"), nullptr);
}

// Every operation has the fields that belong to it, and no others.
void DefineTickets(Engine& engine) {
  const auto nothing = [](Request&) -> Result { return Response::NoContent(); };
  Route& ticket = engine.Path("ticket", "One ticket.");
  const auto seat = ticket.Field<std::string>("seat", "");
  const auto rows = ticket.Field<std::vector<std::int64_t>>("rows", "");
  const auto language = ticket.Field<std::string>("language", "");
  const auto reason = ticket.Field<std::string>("reason", "");
  ticket.Require(seat).AllowedValues(rows, {1, 2}).AllowedValues(language, {"de", "fr"});
  ticket.For(language, {Operation::kRead, Operation::kPatch}).For(reason, {Operation::kDelete});
  ticket.Require(reason);
  ticket.OnRead(nothing).OnCreate(nothing).OnUpdate(nothing).OnPatch(nothing).OnDelete(nothing);

  Route& tickets = engine.Path("tickets", "All tickets.");
  const auto day = tickets.Field<std::string>("day", "");
  const auto limit = tickets.Field<std::int64_t>("limit", "");
  tickets.Require(day).For(limit, {Operation::kList}).OnRead(nothing).OnList(nothing);
}

class OperationsTest : public testing::OnBothHosts {
 protected:
  // The fields of an operation in the document; required ones with a '!'.
  std::string FieldsOf(const char* path, const char* verb) {
    const Json document = host_->Help(path)->data().at("openapi");
    const Json& operation = *document.Find("paths")->Find(std::string("/") + path)->Find(verb);
    std::string names;
    if (const Json* parameters = operation.Find("parameters")) {
      for (const Json& parameter : *parameters->if_array()) {
        const Json* required = parameter.Find("required");
        const bool always = required != nullptr && *required->if_bool();
        names += *parameter.Find("name")->if_string() + (always ? "! " : " ");
      }
    }
    const Json* body = operation.Find("requestBody");
    if (body == nullptr) return names;
    const Json& schema = *body->Find("content")->if_object()->begin()->second.Find("schema");
    const Json* required = schema.Find("required");
    for (const auto& [name, property] : *schema.Find("properties")->if_object()) {
      const bool always = required != nullptr && required->Dump().find(name) != std::string::npos;
      names += name + (always ? "! " : " ");
    }
    return names;
  }
  const std::unique_ptr<testing::TestHost> host_ = NewHost(DefineTickets);
};
BELFRY_RUN_ON_BOTH_HOSTS(OperationsTest);

TEST_P(OperationsTest, HaveTheFieldsThatBelongToThem) {
  EXPECT_EQ(FieldsOf("ticket", "get"), "language ");
  EXPECT_EQ(FieldsOf("ticket", "post"), "rows seat! ");
  EXPECT_EQ(FieldsOf("ticket", "patch"), "language rows seat ");
  EXPECT_EQ(FieldsOf("ticket", "delete"), "reason! ");
  // `limit` is for lists alone, and GET is for both.
  EXPECT_EQ(FieldsOf("tickets", "get"), "day! limit list ");
}

TEST_P(OperationsTest, AreRefusedWithoutARequiredFieldThatBelongsToThem) {
  const auto missing = [](const char* name) {
    return absl::InvalidArgumentError(std::string("missing required field \"") + name + "\"");
  };
  EXPECT_EQ(host_->Delete("ticket").status(), missing("reason"));
  EXPECT_EQ(host_->Write("ticket", {}).status(), missing("seat"));
  EXPECT_EQ(host_->List("tickets").status(), missing("day"));
  EXPECT_EQ(host_->Read("tickets").status(), missing("day"));
  EXPECT_TRUE(host_->Read("ticket").ok());
  EXPECT_TRUE(host_->Patch("ticket", {}).ok());
  EXPECT_TRUE(host_->Delete("ticket", {{"reason", "lost"}}).ok());
}

TEST_P(OperationsTest, TakeOnlyAllowedValuesAndTheErrorRepeatsNoOther) {
  EXPECT_TRUE(host_->Read("ticket", {{"language", "de"}}).ok());
  EXPECT_EQ(host_->Read("ticket", {{"language", "S3CRET"}}).status(),
            absl::InvalidArgumentError("Field validation failed: field \"language\": expected one "
                                       "of \"de\", \"fr\""));
  EXPECT_TRUE(host_->Write("ticket", {{"seat", "1a"}, {"rows", "1,2"}}).ok());
  EXPECT_EQ(
      host_->Write("ticket", {{"seat", "1a"}, {"rows", Json::Array{1, 3}}}).status(),
      absl::InvalidArgumentError("Field validation failed: field \"rows\": expected one of 1, 2"));
}

TEST_P(OperationsTest, AllowedValuesAndOperationsAreInTheHelpAndInOpenApi) {
  const Result help = host_->Help("ticket");
  EXPECT_THAT(*help->data().at("help").if_string(),
              HasSubstr("    language (string)\n        One of: \"de\", \"fr\"\n"
                        "        Only for: read, patch\n"));
  const std::string document = help->data().at("openapi").Dump();
  EXPECT_THAT(document, HasSubstr(R"("schema":{"enum":["de","fr"],"type":"string"})"));
  EXPECT_THAT(document, HasSubstr(R"("items":{"enum":[1,2],"format":"int64","type":"integer"})"));
}

TEST_P(HelpTest, OpenApiOfTheEngineHasEveryPathThatATemplateCanSay) {
  const Json paths = Paths("");
  EXPECT_THAT(
      *paths.if_object(),
      ::testing::ElementsAre(::testing::Key("/books/{title}"), ::testing::Key("/opening-hours"),
                             ::testing::Key("/shelves/{row}/{number}")));
}

TEST_P(HelpTest, OpenApiSaysHowToListAndWhoMay) {
  const Json paths = Paths("");
  const Json& shelf = *paths.Find("/shelves/{row}/{number}");
  EXPECT_EQ(shelf.Find("x-vault-sudo")->Dump(), "true");
  EXPECT_EQ(shelf.Find("get")->Find("parameters")->Dump(),
            R"([{"description":"Return a list if `true`","in":"query","name":"list",)"
            R"("required":true,"schema":{"enum":["true"],"type":"string"}}])");
  const Json& hours = *paths.Find("/opening-hours");
  EXPECT_EQ(hours.Find("x-vault-unauthenticated")->Dump(), "true");
  EXPECT_EQ(hours.Find("x-vault-sudo"), nullptr);
  EXPECT_THAT(hours.Find("get")->Dump(), HasSubstr(R"("required":false)"));
}

}  // namespace
}  // namespace belfry
