#include "belfry/plugin.h"

// A plugin for tests of what a host does with leases, logins, raw answers and errors.
namespace {

using belfry::Request;
using belfry::Response;
using belfry::Result;

void DefineLending(belfry::Engine& engine) {
  belfry::SecretKind& room = engine.Secret("room");
  room.OnRenew([](Request&, const belfry::LeasedSecret& leased) -> absl::StatusOr<belfry::Lease> {
        belfry::Lease lease = leased.lease;
        lease.ttl += leased.increment;
        return lease;
      })
      .OnRevoke([](Request& request, const belfry::LeasedSecret& leased) {
        return request.storage().Put("free", belfry::Json(leased.lease.internal).Dump());
      });
  engine.Path("room", "Lends a room.").OnRead([&room](Request&) -> Result {
    return Response::Secret(room, {{"key", 7}},
                            {.ttl = absl::Minutes(1), .internal = {{"number", "12"}}});
  });
  engine.Path("login", "Lets anybody in.").OnUpdate([](Request&) -> Result {
    return Response::Login({.policies = {"guest"},
                            .alias = "ann",
                            .lease = {.ttl = absl::Hours(1), .internal = {{"ticket", 1}}},
                            .bound_cidrs = {"10.0.0.0/8"}});
  });
  engine.OnRenewLogin(
      [](Request&, const belfry::GivenGrant& given) -> absl::StatusOr<belfry::Grant> {
        return given.grant;
      });
  engine.Path("raw", "Bytes.").OnRead([](Request&) -> Result {
    return Response::Raw(418, "text/plain", "hello");
  });
  engine.Path("teapot", "Fails.").OnRead([](Request&) -> Result {
    return belfry::HttpError(418, "short and stout");
  });
}

}  // namespace

// An auth method, since only those may let somebody in.
int main(int argc, char** argv) {
  return belfry::Serve({.name = "lending",
                        .version = "v0.0.1",
                        .define = DefineLending,
                        .kind = belfry::EngineKind::kAuth},
                       argc, argv);
}
