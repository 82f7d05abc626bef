// Replays what a real Vault was asked and compares every answer with what it said.

#include <boost/json.hpp>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/api/fakes.h"

namespace belfry::api {
namespace {

namespace json = boost::json;

struct Exchange {
  std::string name;
  HttpRequest request;
  int status = 0;
  std::map<std::string, std::string> headers;
  json::value body;
};

std::string Text(const json::value& value) {
  return std::string(value.as_string());
}

// "/v1/a?b=c" into path and query; the recordings have no escapes in their queries.
void SetTarget(HttpRequest& request, const std::string& target) {
  const std::size_t question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  if (question == target.size()) return;
  const std::string parameter = target.substr(question + 1);
  const std::size_t equals = parameter.find('=');
  request.query.emplace_back(parameter.substr(0, equals), parameter.substr(equals + 1));
}

Exchange Parse(const std::string& line) {
  const json::value recorded = json::parse(line);
  Exchange exchange;
  const json::value& request = recorded.at("request");
  exchange.request.method = Text(request.at("method"));
  SetTarget(exchange.request, Text(request.at("path")));
  for (const auto& header : request.at("headers").as_object()) {
    exchange.request.headers.emplace_back(header.key(), Text(header.value()));
  }
  if (!request.at("body").is_null()) exchange.request.body = json::serialize(request.at("body"));
  const json::value& response = recorded.at("response");
  exchange.status = static_cast<int>(response.at("status").as_int64());
  for (const auto& header : response.at("headers").as_object()) {
    exchange.headers[header.key()] = Text(header.value());
  }
  exchange.body = response.at("body");
  exchange.name = exchange.request.method + " " + Text(request.at("path"));
  return exchange;
}

std::vector<Exchange> Recorded() {
  std::ifstream file(BELFRY_GOLDEN_HTTP);
  std::vector<Exchange> exchanges;
  for (std::string line; std::getline(file, line);) exchanges.push_back(Parse(line));
  return exchanges;
}

std::string HeaderOf(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

// The keys in their order, with the type of each value: what a body looks like when its values
// vary.
std::string Shape(const json::value& value) {
  if (value.is_object()) {
    std::string shape = "{";
    for (const auto& member : value.as_object()) {
      shape += std::string(member.key()) + ":" + Shape(member.value()) + " ";
    }
    return shape + "}";
  }
  if (value.is_array()) {
    return value.as_array().empty() ? "[]" : "[" + Shape(value.as_array().front()) + "]";
  }
  if (value.is_string()) return "text";
  return value.is_number() ? "number" : value.is_bool() ? "bool" : "null";
}

class GoldenTest : public ::testing::Test {
 protected:
  // As Vault was: kv v1 at kv1/.
  GoldenTest() {
    mounts::MountEntry kv1;
    kv1.path = "kv1/";
    kv1.type = "kv";
    kv1.options = {{"version", "1"}};
    kv1_ = fixture_.mounts.Add(std::move(kv1));
  }

  HttpResponse Replay(const Exchange& exchange) {
    HttpRequest request = exchange.request;
    request.remote_address = "127.0.0.1";
    return fixture_.Send(std::move(request));
  }

  ApiFixture fixture_;
  FakeEngine* kv1_;
};

// What an engine must have answered for Vault to say this.
mounts::Reply EngineReplyFor(const Exchange& exchange) {
  mounts::Reply reply;
  if (exchange.status == 204) return reply;
  const json::object& body = exchange.body.as_object();
  if (const json::value* errors = body.if_contains("errors")) {
    if (errors->as_array().empty()) return reply;
    const std::string text = Text(errors->as_array().front());
    reply.error = mounts::EngineError{exchange.status, text};
    reply.response.emplace().data = json::serialize(json::object{{"error", text}});
    return reply;
  }
  mounts::Response& response = reply.response.emplace();
  if (exchange.status != 200) {
    response.data = json::serialize(json::object{{"http_status_code", exchange.status},
                                                 {"http_content_type", "application/json"},
                                                 {"http_raw_body", json::serialize(body)}});
    return reply;
  }
  response.data = json::serialize(body.at("data"));
  if (const std::int64_t ttl = body.at("lease_duration").as_int64(); ttl != 0) {
    response.lease =
        mounts::Lease{.ttl = absl::Seconds(ttl), .renewable = body.at("renewable").as_bool()};
  }
  return reply;
}

TEST_F(GoldenTest, AnswersFromMountsAreVaults) {
  int compared = 0;
  for (const Exchange& exchange : Recorded()) {
    const bool secret = exchange.request.path.starts_with("/v1/secret/");
    if (!secret && !exchange.request.path.starts_with("/v1/kv1")) continue;
    // A token of its own policies: this is about the engine's answers.
    if (exchange.status == 403 || exchange.request.Header("X-Vault-Token") != "root") continue;
    (secret ? fixture_.engine : kv1_)->reply = EngineReplyFor(exchange);
    const HttpResponse answer = Replay(exchange);
    EXPECT_EQ(answer.status, exchange.status) << exchange.name;
    for (const auto& [name, value] : exchange.headers) {
      EXPECT_EQ(HeaderOf(answer, name), value) << exchange.name;
    }
    if (exchange.body.is_null()) {
      EXPECT_EQ(answer.body, "") << exchange.name;
    } else {
      json::value expected = exchange.body;
      json::value given = json::parse(answer.body);
      if (json::object& object = given.as_object(); object.contains("request_id")) {
        object["request_id"] = expected.at("request_id");
      }
      EXPECT_EQ(json::serialize(given), json::serialize(expected)) << exchange.name;
    }
    ++compared;
  }
  EXPECT_GE(compared, 30);
}

TEST_F(GoldenTest, OwnAnswersHaveVaultsShape) {
  int compared = 0;
  for (const Exchange& exchange : Recorded()) {
    const std::string& path = exchange.request.path;
    const bool unsealed = !exchange.body.is_object() ||
                          !exchange.body.as_object().contains("sealed") ||
                          !exchange.body.at("sealed").as_bool();
    const bool own = path == "/v1/auth/token/lookup-self" || path == "/v1/sys/namespaces" ||
                     path == "/v1/sys/capabilities" || path.ends_with("secret/tune") ||
                     path == "/v1/sys/internal/ui/mounts/secret/foo" ||
                     path == "/v1/sys/internal/ui/mounts/nosuch/a";
    if (!own || !unsealed || exchange.request.Header("X-Vault-Token").starts_with("hvs.")) continue;
    Exchange replayed = exchange;
    if (path == "/v1/sys/capabilities") {
      replayed.request.body = R"({"path":"secret/data/app/x","token":"root"})";
    }
    const HttpResponse answer = Replay(replayed);
    EXPECT_EQ(answer.status, exchange.status) << exchange.name;
    for (const auto& [name, value] : exchange.headers) {
      EXPECT_EQ(HeaderOf(answer, name), value) << exchange.name;
    }
    const json::value given = json::parse(answer.body);
    if (given.as_object().contains("errors")) {
      EXPECT_EQ(json::serialize(given), json::serialize(exchange.body)) << exchange.name;
    } else if (path.ends_with("secret/tune") || path == "/v1/sys/capabilities") {
      // Vault's order of what it repeats at the top varies.
      EXPECT_EQ(Shape(given.at("data")).size(), Shape(exchange.body.at("data")).size())
          << exchange.name;
      EXPECT_EQ(given.as_object().size(), exchange.body.as_object().size()) << exchange.name;
    } else {
      EXPECT_EQ(Shape(given), Shape(exchange.body)) << exchange.name;
    }
    ++compared;
  }
  EXPECT_GE(compared, 20);
}

TEST_F(GoldenTest, TokensThatAreUnknownAreRefusedInVaultsWords) {
  int compared = 0;
  for (const Exchange& exchange : Recorded()) {
    if (exchange.status != 403 ||
        json::serialize(exchange.body).find("invalid token") == std::string::npos)
      continue;
    const std::string_view token = exchange.request.Header("X-Vault-Token");
    if (token == "root" || exchange.request.path.starts_with("/v1/secret/")) continue;
    const HttpResponse answer = Replay(exchange);
    EXPECT_EQ(answer.status, 403) << exchange.name;
    EXPECT_EQ(json::serialize(json::parse(answer.body)), json::serialize(exchange.body))
        << exchange.name;
    ++compared;
  }
  EXPECT_GE(compared, 2);
}

}  // namespace
}  // namespace belfry::api
