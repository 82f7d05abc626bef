// A plugin that leases secrets, and tells what became of them.
//
// GET creds/NAME?ttl=… leases a user; GET log lists what was renewed and revoked, in order; PUT
// trouble {"refuse": true} makes it refuse to revoke, until it is told otherwise; {"fail_start":
// true} makes its next start fail after it has changed what it stores. GET instance says which of
// its instances answers.

#include <belfry/plugin.h>

#include <mutex>
#include <random>
#include <string>

namespace {

using belfry::Json;

constexpr char kTrouble[] = "trouble";
constexpr char kFailStart[] = "fail-start";

// One key for each thing that happened: keys are listed in order.
absl::Status Note(belfry::Storage& storage, const std::string& what) {
  // Revocations come several at a time, and each line needs a number of its own.
  static std::mutex one_at_a_time;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  BELFRY_ASSIGN_OR_RETURN(const std::vector<std::string> before, storage.List("log/"));
  return storage.Put("log/" + std::to_string(1000 + before.size()), what);
}

std::string UserOf(const belfry::LeasedSecret& secret) {
  const auto user = secret.lease.internal.find("user");
  if (user == secret.lease.internal.end() || user->second.if_string() == nullptr) return "nobody";
  return *user->second.if_string();
}

absl::StatusOr<belfry::Lease> Renew(belfry::Request& req, const belfry::LeasedSecret& secret) {
  BELFRY_RETURN_IF_ERROR(Note(req.storage(), "renewed " + UserOf(secret)));
  belfry::Lease lease = secret.lease;
  if (secret.increment > absl::ZeroDuration()) lease.ttl = secret.increment;
  return lease;
}

absl::Status Revoke(belfry::Request& req, const belfry::LeasedSecret& secret) {
  BELFRY_ASSIGN_OR_RETURN(const auto trouble, req.storage().Get(kTrouble));
  if (trouble) return absl::FailedPreconditionError("the database is away");
  return Note(req.storage(), "revoked " + UserOf(secret) + " " + secret.lease_id);
}

void DefineLender(belfry::Engine& engine) {
  belfry::SecretKind& user = engine.Secret("user");
  user.OnRenew(Renew);
  user.OnRevoke(Revoke);

  belfry::Route& creds = engine.Path("creds/{name}", "A new user.");
  const auto name = creds.Param("name");
  const auto ttl = creds.Field<absl::Duration>("ttl", "For how long; none: the mount's default.");
  creds.OnRead([&user, name, ttl](belfry::Request& req) -> belfry::Result {
    return belfry::Response::Secret(user, {{"user", req[name]}},
                                    {.ttl = req[ttl], .internal = {{"user", req[name]}}});
  });

  engine.Path("log", "What happened.").OnRead([](belfry::Request& req) -> belfry::Result {
    BELFRY_ASSIGN_OR_RETURN(const std::vector<std::string> keys, req.storage().List("log/"));
    Json::Array log;
    for (const std::string& key : keys) {
      BELFRY_ASSIGN_OR_RETURN(const auto what, req.storage().Get("log/" + key));
      log.emplace_back(what.value_or(""));
    }
    return belfry::Response::Data({{"log", std::move(log)}});
  });

  // What only an operator may see, and what anybody may.
  const auto names = [](belfry::Request& req) -> belfry::Result {
    return belfry::Response::List({std::string(req.path())});
  };
  const auto text = [](belfry::Request& req) -> belfry::Result {
    return belfry::Response::Data({{"path", req.path()}});
  };
  engine.Path("accounts", "All users.").OnList(names).OnRead(text);
  engine.Path("accounts/{name}", "A user.").OnList(names).OnRead(text);
  engine.Path("notices", "For everybody.").OnList(names).OnRead(text);
  engine.RootOnly({"accounts"}).Unauthenticated({"notices"});
  engine.OnInitialize([](belfry::HookContext& context) -> absl::Status {
    BELFRY_ASSIGN_OR_RETURN(const auto fail, context.storage.Get(kFailStart));
    if (!fail) return absl::OkStatus();
    BELFRY_RETURN_IF_ERROR(context.storage.Delete(kFailStart));
    return absl::FailedPreconditionError("told to fail");
  });

  const std::string number = std::to_string(std::random_device()());
  engine.Path("instance", "Which instance this is.")
      .OnRead([number](belfry::Request&) -> belfry::Result {
        return belfry::Response::Data({{"instance", number}});
      });

  belfry::Route& trouble = engine.Path("trouble", "Whether revocations are refused.");
  const auto refuse = trouble.Field<bool>("refuse", "Refuse from now on.");
  const auto fail_start = trouble.Field<bool>("fail_start", "Fail at the next start.");
  trouble.OnWrite([refuse, fail_start](belfry::Request& req) -> belfry::Result {
    if (req[fail_start]) {
      BELFRY_RETURN_IF_ERROR(req.storage().Put(kFailStart, "yes"));
    }
    BELFRY_RETURN_IF_ERROR(req[refuse] ? req.storage().Put(kTrouble, "yes")
                                       : req.storage().Delete(kTrouble));
    return belfry::Response::NoContent();
  });
}

}  // namespace

int main(int argc, char** argv) {
  return belfry::Serve({.name = "lender", .version = "v0.1.0", .define = DefineLender}, argc, argv);
}
