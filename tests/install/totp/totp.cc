#include "totp.h"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "one_time_code.h"

namespace {

using belfry::FieldKey;
using belfry::HookContext;
using belfry::Json;
using belfry::Operation;
using belfry::Request;
using belfry::Response;
using belfry::Result;
using belfry::Route;
using belfry::StorageBatch;

constexpr std::size_t kSecretBytes = 20;
constexpr std::size_t kSessionBytes = 16;
// Clocks differ: the codes of the periods beside the current one count, too.
constexpr std::int64_t kSkew = 1;

struct Key {
  std::string secret;  // Bytes.
  std::string issuer, account, algorithm;
  std::int64_t digits = 6;
  std::int64_t period = 30;
  std::int64_t rotation = 0;  // In seconds; zero is never.
  std::int64_t created = 0;
  std::int64_t last_counter = -1;  // Of the newest code that was accepted.

  Json::Object ToJson() const {
    return {{"secret", ToBase32(secret)}, {"issuer", issuer},   {"account_name", account},
            {"algorithm", algorithm},     {"digits", digits},   {"period", period},
            {"rotation", rotation},       {"created", created}, {"last_counter", last_counter}};
  }
  static absl::StatusOr<Key> FromJson(const Json& json);
  std::int64_t CounterAt(absl::Time now) const { return absl::ToUnixSeconds(now) / period; }
  std::string CodeOf(std::int64_t counter) const {
    return OneTimeCode(secret, algorithm, digits, counter);
  }
  // What authenticator apps scan.
  std::string Url() const {
    return "otpauth://totp/" + issuer + ":" + account + "?secret=" + ToBase32(secret) +
           "&issuer=" + issuer + "&algorithm=" + algorithm + "&digits=" + std::to_string(digits) +
           "&period=" + std::to_string(period);
  }
};

absl::StatusOr<Key> Key::FromJson(const Json& json) {
  const auto text = [&json](const char* name) {
    const Json* value = json.Find(name);
    return value == nullptr || value->if_string() == nullptr ? "" : *value->if_string();
  };
  const auto number = [&json](const char* name) {
    const Json* value = json.Find(name);
    return value == nullptr ? 0 : belfry::ConvertTo<std::int64_t>(*value).value_or(0);
  };
  Key key{.secret = FromBase32(text("secret")).value_or(""),
          .issuer = text("issuer"),
          .account = text("account_name"),
          .algorithm = text("algorithm"),
          .digits = number("digits"),
          .period = number("period"),
          .rotation = number("rotation"),
          .created = number("created"),
          .last_counter = number("last_counter")};
  if (key.secret.empty() || key.period <= 0) return absl::DataLossError("a stored key is damaged");
  return key;
}

std::string PathOf(const std::string& name) {
  return "keys/" + name;
}

class Totp {
 public:
  explicit Totp(belfry::Engine& engine) : session_(engine.Secret("session")) {
    engine.Describe("Keeps keys of time-based one-time passwords, and checks codes.");
    DescribeKeys(engine);
    DescribeCodes(engine);
    DescribeSessions(engine);
    engine.Every(absl::Minutes(1), [this](HookContext& host) { return RotateAll(host); });
  }

 private:
  void DescribeKeys(belfry::Engine& engine);
  void DescribeCodes(belfry::Engine& engine);
  void DescribeSessions(belfry::Engine& engine);
  absl::StatusOr<std::optional<Key>> Load(belfry::Storage& storage, const std::string& name) const;
  // Whether the code is right and new. Each counts once, and none that is older than one that has.
  absl::StatusOr<bool> Accept(Request& request, const std::string& name, const std::string& code);
  absl::Status RotateAll(HookContext& host);

  belfry::SecretKind& session_;
  // Of a key's reading and writing, so that one code is not accepted twice.
  std::mutex mutex_;
};

absl::StatusOr<std::optional<Key>> Totp::Load(belfry::Storage& storage,
                                              const std::string& name) const {
  BELFRY_ASSIGN_OR_RETURN(const std::optional<Json> stored, storage.GetJson(PathOf(name)));
  if (!stored) return std::nullopt;
  return Key::FromJson(*stored);
}

void Totp::DescribeKeys(belfry::Engine& engine) {
  Route& route =
      engine.Path("keys/{name}", "One key.\n\nIts secret is shown when it is made only.");
  const auto name = route.Param("name", "What the key is called.");
  const auto generate = route.Field<bool>("generate", "Make the secret, and answer with it.");
  const auto secret = route.Field<std::string>("key", "The secret in base 32, if it is given.");
  const auto issuer = route.Field<std::string>("issuer", "Who asks for the codes.");
  const auto account = route.Field<std::string>("account_name", "Whose codes they are.");
  const auto algorithm = route.Field<std::string>("algorithm", "The hash.");
  const auto digits = route.Field<std::int64_t>("digits", "How long codes are.");
  const auto period = route.Field<absl::Duration>("period", "How long a code counts.");
  const auto rotation = route.Field<absl::Duration>("rotation", "When to replace it; 0 is never.");
  route.Sensitive(secret).Default(algorithm, "SHA1").Default(digits, 6);
  route.AllowedValues(algorithm, {"SHA1", "SHA256", "SHA512"}).AllowedValues(digits, {6, 8});
  route.Default(period, absl::Seconds(30));

  route.OnWrite([=, this](Request& req) -> Result {
    if (req[generate] == req.Has(secret))
      return absl::InvalidArgumentError("give either generate or key");
    const auto given = FromBase32(req[secret]);
    if (req.Has(secret) && (!given || given->empty()))
      return absl::InvalidArgumentError("key is not base 32");
    if (req[period] < absl::Seconds(1)) return absl::InvalidArgumentError("period is too short");
    const Key key{.secret = req[generate] ? RandomBytes(kSecretBytes) : *given,
                  .issuer = req[issuer],
                  .account = req[account],
                  .algorithm = req[algorithm],
                  .digits = req[digits],
                  .period = absl::ToInt64Seconds(req[period]),
                  .rotation = absl::ToInt64Seconds(req[rotation]),
                  .created = absl::ToUnixSeconds(req.Now())};
    const std::string path = PathOf(req[name]);
    const std::lock_guard lock(mutex_);
    BELFRY_RETURN_IF_ERROR(req.storage().Apply(
        StorageBatch()
            .PutJson(path, key.ToJson())
            .AddEvent("totp/key-write", {.path = path, .data_path = path, .modified = true})));
    if (!req[generate]) return Response::NoContent();
    return Response::Data({{"key", ToBase32(key.secret)}, {"url", key.Url()}});
  });
  route.OnRead([this, name](Request& req) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const auto key, Load(req.storage(), req[name]));
    if (!key) return Response::NotFound();
    Json::Object shown = key->ToJson();
    for (const char* hidden : {"secret", "last_counter"}) shown.erase(hidden);
    return Response::Data(std::move(shown));
  });
  route.OnDelete([this, name](Request& req) -> Result {
    const std::string path = PathOf(req[name]);
    const std::lock_guard lock(mutex_);
    BELFRY_RETURN_IF_ERROR(req.storage().Apply(
        StorageBatch().Delete(path).AddEvent("totp/key-delete", {.path = path, .modified = true})));
    return Response::NoContent();
  });
  engine.Path("keys", "The names of all keys.").OnList([](Request& req) -> Result {
    BELFRY_ASSIGN_OR_RETURN(auto names, req.storage().List("keys/"));
    return Response::List(std::move(names));
  });
}

absl::StatusOr<bool> Totp::Accept(Request& req, const std::string& name, const std::string& code) {
  const std::lock_guard lock(mutex_);
  BELFRY_ASSIGN_OR_RETURN(auto key, Load(req.storage(), name));
  if (!key) return absl::NotFoundError("there is no such key");
  const std::int64_t now = key->CounterAt(req.Now());
  for (std::int64_t counter = now - kSkew; counter <= now + kSkew; ++counter) {
    if (counter <= key->last_counter || code != key->CodeOf(counter)) continue;
    key->last_counter = counter;
    const std::string path = "codes/" + name;
    BELFRY_RETURN_IF_ERROR(req.storage().Apply(StorageBatch()
                                                   .PutJson(PathOf(name), key->ToJson())
                                                   .AddEvent("totp/code-accept", {.path = path})));
    return true;
  }
  return false;
}

void Totp::DescribeCodes(belfry::Engine& engine) {
  Route& route = engine.Path("codes/{name}", "Reads the current code, or checks one.");
  const auto name = route.Param("name", "The key.");
  const auto code = route.Field<std::string>("code", "What to check; it counts once.");
  route.Require(code).Sensitive(code).OnlyUpdates();
  route.OnRead([this, name](Request& req) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const auto key, Load(req.storage(), req[name]));
    if (!key) return Response::NotFound();
    return Response::Data({{"code", key->CodeOf(key->CounterAt(req.Now()))}});
  });
  route.OnUpdate([this, name, code](Request& req) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const bool valid, Accept(req, req[name], req[code]));
    return Response::Data({{"valid", valid}});
  });
}

void Totp::DescribeSessions(belfry::Engine& engine) {
  Route& route = engine.Path("sessions/{name}", "A session for a code.");
  const auto name = route.Param("name", "The key.");
  const auto code = route.Field<std::string>("code", "A code of the key.");
  const auto ttl = route.Field<absl::Duration>("ttl", "For how long; none: the mount's default.");
  route.Require(code).Sensitive(code).OnlyUpdates();
  route.OnUpdate([=, this](Request& req) -> Result {
    BELFRY_ASSIGN_OR_RETURN(const bool valid, Accept(req, req[name], req[code]));
    if (!valid) return absl::PermissionDeniedError("the code is wrong, or was used");
    const std::string id = ToBase32(RandomBytes(kSessionBytes));
    BELFRY_RETURN_IF_ERROR(req.storage().Apply(
        StorageBatch()
            .PutJson("sessions/" + id, Json::Object{{"key", req[name]}})
            .AddEvent("totp/session-begin", {.path = "sessions/" + req[name], .modified = true})));
    return Response::Secret(session_, {{"session", id}},
                            {.ttl = req[ttl], .internal = {{"id", id}, {"key", req[name]}}});
  });
  engine.Path("sessions", "All sessions there are.").OnList([](Request& req) -> Result {
    BELFRY_ASSIGN_OR_RETURN(auto ids, req.storage().List("sessions/"));
    return Response::List(std::move(ids));
  });
  session_.OnRenew(
      [](Request&, const belfry::LeasedSecret& given) -> absl::StatusOr<belfry::Lease> {
        belfry::Lease lease = given.lease;
        lease.ttl = given.increment;
        return lease;
      });
  session_.OnRevoke([](Request& req, const belfry::LeasedSecret& given) {
    const auto of = [&given](const char* name) {
      return *given.lease.internal.at(name).if_string();
    };
    return req.storage().Apply(
        StorageBatch()
            .Delete("sessions/" + of("id"))
            .AddEvent("totp/session-end", {.path = "sessions/" + of("key"), .modified = true}));
  });
}

absl::Status Totp::RotateAll(HookContext& host) {
  BELFRY_ASSIGN_OR_RETURN(const auto names, host.storage.List("keys/"));
  const std::int64_t now = absl::ToUnixSeconds(host.Now());
  for (const std::string& name : names) {
    const std::lock_guard lock(mutex_);
    BELFRY_ASSIGN_OR_RETURN(auto key, Load(host.storage, name));
    if (!key || key->rotation == 0 || now < key->created + key->rotation) continue;
    key->secret = RandomBytes(kSecretBytes);
    key->created = now;
    const std::string path = PathOf(name);
    BELFRY_RETURN_IF_ERROR(host.storage.Apply(
        StorageBatch()
            .PutJson(path, key->ToJson())
            .AddEvent("totp/key-rotate", {.path = path, .data_path = path, .modified = true})));
  }
  return absl::OkStatus();
}

}  // namespace

void DefineTotp(belfry::Engine& engine) {
  engine.Keep<Totp>();
}
