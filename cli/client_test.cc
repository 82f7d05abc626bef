#include "cli/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <chrono>
#include <map>
#include <sstream>
#include <thread>

#include "cli/command.h"
#include "cli/commands.h"
#include "cli/explain_output.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

using boost::asio::ip::tcp;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// Answers one connection after the other with the bytes given, and keeps the head of each request.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers)
      : answers_(std::move(answers)), thread_([this] { Serve(); }) {}
  ~ScriptedServer() { Join(); }

  std::string Address() const {
    return Concat("http://127.0.0.1:", acceptor_.local_endpoint().port());
  }
  // What was asked; waits until every answer has been given.
  const std::vector<std::string>& Requests() {
    Join();
    return requests_;
  }

 private:
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  void Serve() {
    for (const std::string& answer : answers_) {
      tcp::socket socket(context_);
      acceptor_.accept(socket);
      std::string head;
      boost::system::error_code ignored;
      boost::asio::read_until(socket, boost::asio::dynamic_buffer(head), "\r\n\r\n", ignored);
      requests_.push_back(head);
      boost::asio::write(socket, boost::asio::buffer(answer), ignored);
      socket.shutdown(tcp::socket::shutdown_send, ignored);
      char rest[256];
      while (!ignored) socket.read_some(boost::asio::buffer(rest), ignored);
    }
  }

  boost::asio::io_context context_;
  tcp::acceptor acceptor_{context_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  const std::vector<std::string> answers_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

std::string Http(std::string_view status, std::string_view body, std::string_view headers = "") {
  return Concat("HTTP/1.1 ", status, "\r\nContent-Length: ", body.size(), "\r\n", headers, "\r\n",
                body);
}

// A command's world: no input, an environment of its own, and what it said.
struct World {
  std::map<std::string, std::string> environment = {{"VAULT_TOKEN", "root"}};
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;

  Terminal Make() {
    return {.in = &in, .out = &out, .err = &err, .environment = [this](const char* name) {
              const auto it = environment.find(name);
              return it == environment.end() ? std::nullopt : std::optional(it->second);
            }};
  }
};

constexpr char kVersionedMount[] = R"({"data":{"path":"secret/","options":{"version":"2"}}})";

TEST(ConnectionTest, BelfrysVariablesWinOverVaultsAndFlagsOverBoth) {
  World world;
  world.environment = {
      {"VAULT_ADDR", "http://vault:1"}, {"BELFRY_ADDR", "http://belfry:2"}, {"VAULT_TOKEN", "t"}};
  EXPECT_EQ(ConnectionFrom(world.Make(), "", "")->Authority(), "belfry:2");
  EXPECT_EQ(ConnectionFrom(world.Make(), "http://[::1]:3/base/", "")->Authority(), "[::1]:3");
  EXPECT_EQ(ConnectionFrom(world.Make(), "", "")->token, "t");
}

TEST(ConnectionTest, WhatNoHeaderMayCarryIsRefusedWithItsSource) {
  World world;
  for (const char* variable :
       {"VAULT_TOKEN", "BELFRY_TOKEN", "VAULT_NAMESPACE", "BELFRY_NAMESPACE"}) {
    world.environment = {{variable, "s3cret\r\nX-Vault-Token: root"}};
    const absl::Status refused = ConnectionFrom(world.Make(), "", "").status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.message()), HasSubstr(variable));
    EXPECT_THAT(std::string(refused.message()), HasSubstr("character 7 of 27 is a line break"));
    EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("s3cret")));
  }
  world.environment = {};
  EXPECT_THAT(std::string(ConnectionFrom(world.Make(), "", "a\x01").status().message()),
              HasSubstr("the namespace of -namespace cannot be sent: character 2 of 2"));
  for (const char* address : {"http://h\r\nX: y", "http://h/a b", "http://h\x7f", "http://h/\n"})
    EXPECT_FALSE(ConnectionFrom(world.Make(), address, "").ok()) << address;
}

TEST(ConnectionTest, WhatIsTooLongForAHeaderIsRefusedWithItsSource) {
  const std::string value(70'000, 'a');
  World world;
  for (const char* variable : {"VAULT_TOKEN", "VAULT_NAMESPACE"}) {
    world.environment = {{variable, value}};
    const absl::Status refused = ConnectionFrom(world.Make(), "", "").status();
    EXPECT_THAT(std::string(refused.message()), HasSubstr(variable));
    EXPECT_THAT(std::string(refused.message()), HasSubstr("it has 70000 bytes"));
    EXPECT_LT(refused.message().size(), 200u);
  }
  world.environment = {};
  EXPECT_THAT(std::string(ConnectionFrom(world.Make(), "", value).status().message()),
              HasSubstr("the namespace of -namespace cannot be sent"));
  EXPECT_EQ(ConnectionFrom(world.Make(), "http://" + value, "").status().message(),
            "the address has 70007 bytes, more than any host's name has");
}

TEST(ConnectionTest, AnAddressWithAPasswordIsRefusedAndNotShown) {
  World world;
  const absl::Status refused =
      ConnectionFrom(world.Make(), "http://user:s3cret@127.0.0.1:8200/base", "").status();
  EXPECT_THAT(std::string(refused.message()), HasSubstr("take the user and password out"));
  EXPECT_THAT(std::string(refused.message()), Not(HasSubstr("s3cret")));
  EXPECT_TRUE(ConnectionFrom(world.Make(), "http://h/a@b", "").ok());
}

TEST(ConnectionTest, AStarIsEncodedAndASlashIsNot) {
  EXPECT_EQ(Connection().Target("sys/events/subscribe/kv*", "json=true"),
            "/v1/sys/events/subscribe/kv%2A?json=true");
}

TEST(ClientTest, NobodyThereIsUnavailable) {
  Connection connection;
  {
    boost::asio::io_context context;
    tcp::acceptor acceptor(context, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
    connection.port = acceptor.local_endpoint().port();
  }
  EXPECT_EQ(Client(connection).Send("GET", "sys/health").status().code(),
            absl::StatusCode::kUnavailable);
}

absl::Status AnsweredWith(const std::string& bytes, std::string_view method) {
  ScriptedServer server({bytes});
  Connection connection;
  EXPECT_TRUE(SetAddress(server.Address(), &connection).ok());
  return Client(connection).Send(method, "x").status();
}

TEST(ClientTest, RubbishIsUnavailable) {
  const absl::Status refused = AnsweredWith("SSH-2.0-nothing\r\n\r\n", "GET");
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("cannot be used: "));
}

TEST(ClientTest, AServerThatEndsTheConnectionBeforeItAnswersWasReached) {
  for (const char* begun : {"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"}) {
    const absl::Status broken = AnsweredWith(begun, "GET");
    EXPECT_EQ(broken.code(), absl::StatusCode::kUnavailable) << begun;
    EXPECT_THAT(std::string(broken.message()),
                AllOf(HasSubstr("broke before it had answered: "), Not(HasSubstr("VAULT_ADDR")),
                      Not(HasSubstr("carried out"))))
        << begun;
  }
}

TEST(ClientTest, AChangeWithoutAnAnswerMayHaveBeenCarriedOut) {
  for (const char* method : {"PUT", "POST", "PATCH", "DELETE"}) {
    EXPECT_THAT(std::string(AnsweredWith("", method).message()),
                HasSubstr("; the change may have been carried out"))
        << method;
  }
}

TEST(KvTest, PutAsksForTheMountThenWritesBelowData) {
  ScriptedServer server(
      {Http("200 OK", kVersionedMount), Http("200 OK", R"({"data":{"version":1}})")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunKv(terminal, {"put", "-address", server.Address(), "secret/foo", "a=1"}), 0)
      << world.err.str();
  ASSERT_EQ(server.Requests().size(), 2u);
  EXPECT_THAT(server.Requests()[0],
              HasSubstr("GET /v1/sys/internal/ui/mounts/secret/foo HTTP/1.1"));
  EXPECT_THAT(server.Requests()[0], HasSubstr("X-Vault-Token: root"));
  EXPECT_THAT(server.Requests()[1], HasSubstr("PUT /v1/secret/data/foo HTTP/1.1"));
  EXPECT_THAT(world.out.str(), HasSubstr("= Secret Path =\nsecret/data/foo\n"));
}

TEST(KvTest, AServerThatKnowsNoMountsHasUnversionedOnes) {
  ScriptedServer server({Http("404 Not Found", R"({"errors":[]})"), Http("204 No Content", "")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunKv(terminal, {"put", "-address", server.Address(), "kv1/foo", "a=1"}), 0)
      << world.err.str();
  EXPECT_THAT(server.Requests()[1], HasSubstr("PUT /v1/kv1/foo "));
  EXPECT_EQ(world.out.str(), "Success! Data written to: kv1/foo\n");
}

TEST(KvTest, AMissingSecretIsTwoAndNamesItsPath) {
  ScriptedServer server(
      {Http("200 OK", kVersionedMount), Http("404 Not Found", "{\"errors\":[]}\n")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunKv(terminal, {"get", "-address", server.Address(), "secret/nope"}), 2);
  EXPECT_EQ(world.err.str(), "No value found at secret/data/nope\n");
}

TEST(KvTest, ARefusalIsTwoAndShowsTheServersErrors) {
  ScriptedServer server({Http("403 Forbidden", R"({"errors":["permission denied"]})")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunKv(terminal, {"get", "-address", server.Address(), "secret/foo"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("was answered with 403\n* permission denied"));
}

TEST(KvTest, ARefusalWithoutATokenSaysThatNoneWasSent) {
  for (const char* token : {"", "root"}) {
    ScriptedServer server({Http("403 Forbidden", R"({"errors":["permission denied"]})")});
    World world;
    world.environment = {{"VAULT_TOKEN", token}};
    Terminal terminal = world.Make();
    EXPECT_EQ(RunKv(terminal, {"get", "-address", server.Address(), "secret/foo"}), 2);
    EXPECT_THAT(world.err.str(),
                EndsWith(*token == 0 ? "* permission denied\nno token was sent: set VAULT_TOKEN\n"
                                     : "* permission denied\nor nothing is mounted there: belfry "
                                       "secrets list\n"));
  }
}

TEST(KvTest, WhatAMountWithoutVersionsCannotDoIsRefused) {
  for (const auto& [refused, arguments] :
       std::initializer_list<std::pair<const char*, std::vector<std::string>>>{
           {"put -cas", {"put", "-cas=0", "kv1/foo", "a=1"}},
           {"get -version", {"get", "-version=1", "kv1/foo"}},
           {"delete -versions", {"delete", "-versions=1", "kv1/foo"}}}) {
    ScriptedServer server({Http("200 OK", R"({"data":{"path":"kv1/","options":null}})")});
    World world;
    world.environment["VAULT_ADDR"] = server.Address();
    Terminal terminal = world.Make();
    EXPECT_EQ(RunKv(terminal, arguments), 1) << refused;
    EXPECT_EQ(world.err.str(),
              Concat("kv ", refused, " is not supported on KV engine version 1\n"));
  }
}

TEST(KvTest, APatchByReadingAndWritingTakesNoVersionToCheck) {
  ScriptedServer server({Http("200 OK", kVersionedMount)});
  World world;
  world.environment["VAULT_ADDR"] = server.Address();
  Terminal terminal = world.Make();
  EXPECT_EQ(RunKv(terminal, {"patch", "-method=rw", "-cas=1", "secret/foo", "a=1"}), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("-cas is not supported with -method=rw"));
}

TEST(KvTest, NumbersThatAreTooSmallAreRefusedBeforeAnythingIsSent) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"get", "-version=-1", "secret/foo"},
        {"put", "-cas=-2", "secret/foo", "a=1"},
        {"patch", "-cas=-2", "secret/foo", "a=1"},
        {"metadata", "put", "-max-versions=-1", "secret/foo"},
        {"metadata", "patch", "-max-versions=-1", "secret/foo"}}) {
    World world;
    Terminal terminal = world.Make();
    EXPECT_EQ(RunKv(terminal, arguments), 1);
    EXPECT_THAT(world.err.str(), HasSubstr(" or more\n\nUsage: belfry kv "));
  }
}

TEST(KvTest, WarningsAreTheReasonWhereThereAreNoErrors) {
  ScriptedServer server({Http("200 OK", kVersionedMount),
                         Http("404 Not Found", R"({"data":null,"warnings":["no such area"]})")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunKv(terminal, {"put", "-address", server.Address(), "secret", "a=b"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("was answered with 404\n* no such area\n"));
}

TEST(KvTest, AnErrorWithoutAReasonSaysSo) {
  for (const char* body : {"", R"({"errors":[]})", "{}"}) {
    ScriptedServer server(
        {Http("200 OK", kVersionedMount), Http("500 Internal Server Error", body)});
    World world;
    Terminal terminal = world.Make();
    EXPECT_EQ(RunKv(terminal, {"put", "-address", server.Address(), "secret/a", "a=b"}), 2);
    EXPECT_THAT(world.err.str(), HasSubstr("was answered with 500, without a reason\n"));
  }
}

TEST(KvTest, AWrongUseIsOne) {
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunKv(terminal, {"put", "secret/foo"}), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("Not enough arguments (expected 2, got 1)"));
}

TEST(StatusTest, SealedIsTwo) {
  ScriptedServer server({Http("200 OK", R"({"sealed":true})"), Http("404 Not Found", "")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunStatus(terminal, {"-address", server.Address()}), 2);
}

TEST(StatusTest, ARefusalIsNotAboutATokenThatItDoesNotNeed) {
  ScriptedServer server({Http("403 Forbidden", "")});
  World world;
  world.environment = {};
  Terminal terminal = world.Make();
  EXPECT_EQ(RunStatus(terminal, {"-address", server.Address()}), 1);
  EXPECT_THAT(world.err.str(), AllOf(HasSubstr("403"), Not(HasSubstr("no token was sent"))));
}

TEST(StatusTest, AnAddressMayEndInTheApisPrefix) {
  for (const char* end : {"/v1", "/v1/"}) {
    ScriptedServer server({Http("200 OK", R"({"sealed":true})"), Http("404 Not Found", "")});
    World world;
    Terminal terminal = world.Make();
    EXPECT_EQ(RunStatus(terminal, {"-address", server.Address() + end}), 2);
    EXPECT_THAT(server.Requests()[0], HasSubstr("GET /v1/sys/seal-status HTTP/1.1"));
  }
}

TEST(StatusTest, AServerThatSpeaksTlsIsSaidToDoSo) {
  const char* answer =
      "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
  ScriptedServer server({answer, answer});
  World world;
  Terminal terminal = world.Make();
  const std::string advice =
      Concat("* Client sent an HTTP request to an HTTPS server.\nthe server speaks TLS: use https",
             server.Address().substr(4), " (-address, BELFRY_ADDR or VAULT_ADDR)\n");
  EXPECT_EQ(RunStatus(terminal, {"-address", server.Address()}), 1);
  EXPECT_THAT(world.err.str(), EndsWith(advice));
  world.err.str("");
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", server.Address(), "kv*"}), 1);
  EXPECT_THAT(world.err.str(), EndsWith(advice));
}

TEST(DispatchTest, WhatVaultsProgramHasIsSaidHowToDo) {
  const auto said = [](std::string_view family, const std::string& wanted) {
    World world;
    Terminal terminal = world.Make();
    Dispatch(family, {}, terminal, {wanted, "x"});
    return world.err.str();
  };
  for (const char* command : {"read", "write", "list", "delete", "token", "policy"}) {
    EXPECT_THAT(said("", command), AllOf(HasSubstr("There is no command"), HasSubstr("/v1/"),
                                         HasSubstr(Concat("vault ", command))));
  }
  EXPECT_THAT(said("secrets ", "tune"),
              AllOf(HasSubstr("/v1/sys/mounts/"), HasSubstr("vault secrets tune")));
  EXPECT_THAT(said("", "login"), HasSubstr("VAULT_TOKEN"));
  EXPECT_THAT(said("", "nosuch"), Not(HasSubstr("vault ")));
  EXPECT_THAT(said("kv ", "read"), Not(HasSubstr("vault ")));
}

TEST(EventsTest, NoEndpointIsToldInVaultsWords) {
  ScriptedServer server({Http("404 Not Found", "")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", server.Address(), "kv*"}), 1);
  EXPECT_THAT(world.err.str(),
              HasSubstr("events endpoint not found; check `vault read sys/experiments`"));
  EXPECT_THAT(server.Requests()[0],
              HasSubstr("GET /v1/sys/events/subscribe/kv%2A?json=true HTTP/1.1"));
  EXPECT_THAT(server.Requests()[0], HasSubstr("X-Vault-Namespace:"));
}

TEST(EventsTest, ARefusalNamesTheStatusAndTheReason) {
  ScriptedServer server({Http("403 Forbidden", R"({"errors":["permission denied"]})")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", server.Address(), "kv*"}), 1);
  EXPECT_EQ(
      world.err.str(),
      "failed to WebSocket dial: expected handshake response status code 101 but got 403\n* "
      "permission denied\nthe token needs \"read\" on sys/events/subscribe/kv*: belfry events "
      "explain 'kv*'\n");
}

TEST(EventsTest, ATokenThatIsNoneLacksNoRight) {
  ScriptedServer server(
      {Http("403 Forbidden", R"({"errors":["permission denied", "invalid token"]})")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", server.Address(), "kv*"}), 1);
  EXPECT_THAT(world.err.str(), EndsWith("* invalid token\n"));
}

TEST(EventsTest, ARefusalWithoutATokenSaysThatNoneWasSent) {
  ScriptedServer server({Http("403 Forbidden", R"({"errors":["permission denied"]})")});
  World world;
  world.environment = {};
  Terminal terminal = world.Make();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", server.Address(), "kv*"}), 1);
  EXPECT_THAT(world.err.str(),
              EndsWith("* permission denied\nno token was sent: set VAULT_TOKEN\n"));
}

TEST(EventsTest, AConnectionThatEndsBeforeTheUpgradeIsTwoAndWasReached) {
  ScriptedServer server({""});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", server.Address(), "kv*"}), 2);
  EXPECT_THAT(world.err.str(), HasSubstr("broke before it had answered: "));
}

TEST(EventsTest, AFormatOtherThanJsonIsRefusedWhereverItComesFrom) {
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-format=table", "kv*"}), 1);
  EXPECT_EQ(world.err.str(), "this command prints JSON: leave -format out, or say -format=json\n");
  world.err.str("");
  world.environment["VAULT_FORMAT"] = "table";
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "kv*"}), 1);
  EXPECT_EQ(world.err.str(),
            "this command prints JSON: leave VAULT_FORMAT out, or say -format=json\n");
}

TEST(ExplainTest, AnEmptyFlagIsNotTakenForNone) {
  for (const char* name : {"-path", "-accessor"}) {
    World world;
    Terminal terminal = world.Make();
    EXPECT_EQ(RunEvents(terminal, {"explain", Concat(name, "="), "kv*"}), 1);
    EXPECT_EQ(world.err.str(), Concat(name, " must not be empty: leave it out, or name one\n"));
  }
}

TEST(ExplainTest, NothingThatIsGrantedIsSaidToArriveNowhere) {
  const auto text = [](const char* data) {
    return ExplanationText(boost::json::parse(data).as_object());
  };
  const char* nothing =
      "\nNo event will arrive: no rule of the token grants subscribe to this "
      "type in any mount.\n";
  const char* hint = "-path=PATH shows which lines would grant the events of a path.\n";
  EXPECT_THAT(text(R"({"mounts":[]})"), EndsWith(Concat(nothing, hint)));
  EXPECT_THAT(text(R"({"mounts":[{"mount":"a/","patterns":[{"verdict":"denied"}]}]})"),
              EndsWith(nothing));
  for (const char* verdict : {"granted", "partly"}) {
    EXPECT_THAT(text(Concat(R"({"mounts":[{"mount":"a/","patterns":[{"verdict":"denied"},)"
                            R"({"verdict":")",
                            verdict, R"("}]}]})")
                         .c_str()),
                Not(HasSubstr("No event will arrive")));
  }
}

TEST(ExplainTest, APathOutsideOfAllMountsIsSaidToBe) {
  const auto text = [](const char* mount) {
    return ExplanationText(
        {{"event", {{"mount", mount}, {"path", "nowhere/x"}, {"verdict", "denied"}}}});
  };
  EXPECT_THAT(text(""), EndsWith("\nNo mount that the token may know of has the path nowhere/x: a "
                                 "path begins with its mount.\n"));
  EXPECT_THAT(text("nowhere/"), Not(HasSubstr("No mount")));
}

TEST(ExplainTest, ANoteOfTheServerIsShown) {
  EXPECT_THAT(ExplanationText({{"event", {{"mount", ""}, {"path", "x"}, {"note", "why not"}}}}),
              EndsWith("\nNote: why not.\n"));
}

TEST(EventsTest, ARefusalIsToldAtOnce) {
  ScriptedServer server({Http("403 Forbidden", "")});
  World world;
  Terminal terminal = world.Make();
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", server.Address(), "kv*"}), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
}

TEST(EventsTest, ARedirectIsFollowed) {
  ScriptedServer server(
      {Http("307 Temporary Redirect", "", "Location: /v1/elsewhere?json=true\r\n"),
       Http("404 Not Found", "")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", server.Address(), "kv*"}), 1);
  EXPECT_THAT(server.Requests()[1], HasSubstr("GET /v1/elsewhere?json=true HTTP/1.1"));
}

TEST(EventsTest, ARedirectToAnotherServerIsNotFollowed) {
  ScriptedServer server(
      {Http("307 Temporary Redirect", "", "Location: ws://127.0.0.2:1/v1/elsewhere\r\n")});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "-address", server.Address(), "kv*"}), 1);
  EXPECT_THAT(world.err.str(),
              HasSubstr("redirects to http://127.0.0.2:1, where your token is not sent"));
}

TEST(KvTest, ATokenIsNotSentWhereARedirectLeads) {
  boost::asio::io_context context;
  tcp::acceptor elsewhere(context, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  elsewhere.non_blocking(true);
  const std::string there = Concat("http://127.0.0.1:", elsewhere.local_endpoint().port());
  ScriptedServer server(
      {Http("200 OK", kVersionedMount),
       Http("307 Temporary Redirect", "", Concat("Location: ", there, "/v1/secret/data/foo\r\n"))});
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunKv(terminal, {"get", "-address", server.Address(), "secret/foo"}), 2);
  EXPECT_THAT(world.err.str(),
              HasSubstr(Concat("redirects to ", there, ", where your token is not sent")));
  boost::system::error_code accepted;
  elsewhere.accept(accepted);
  EXPECT_EQ(accepted, boost::asio::error::would_block);
}

TEST(RedirectTarget, IsAPathOrAnAddressOfTheSameAuthority) {
  Connection connection;
  connection.host = "127.0.0.1";
  connection.port = 8200;
  connection.base_path = "/behind";
  EXPECT_EQ(*RedirectTarget(connection, "/v1/a?b=c"), "/v1/a?b=c");
  EXPECT_EQ(*RedirectTarget(connection, "http://127.0.0.1:8200/v1/a"), "/v1/a");
  EXPECT_EQ(*RedirectTarget(connection, "ws://127.0.0.1:8200"), "/");
  for (const char* location :
       {"http://127.0.0.1:8201/v1/a", "http://127.0.0.1/v1/a", "http://localhost:8200/v1/a",
        "http://127.0.0.1:8200@evil:8200/", "ws://evil:8200/", "//evil/x",
        "https://127.0.0.1:8200/", "javascript:alert(1)", "", "v1/a"}) {
    EXPECT_FALSE(RedirectTarget(connection, location).ok()) << location;
  }
}

TEST(EventsTest, TwoTypesAreOneTooMany) {
  World world;
  Terminal terminal = world.Make();
  EXPECT_EQ(RunEvents(terminal, {"subscribe", "a", "b"}), 1);
  EXPECT_THAT(world.err.str(), HasSubstr("Too many arguments (expected 1, got 2)"));
}

}  // namespace
}  // namespace belfry::cli
