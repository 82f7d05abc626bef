#include "tests/bench/workload.h"

#include "absl/strings/str_cat.h"
#include "tests/bench/belfry_server.h"
#include "tests/bench/http_load.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {

std::string HundredLines(int subscriber) {
  std::string policy;
  for (int i = 0; i < 98; ++i) {
    constexpr const char* kEnds[] = {"/config", "/*", "/+/password", "/+/keys/*"};
    absl::StrAppend(&policy, "path \"bench/data/team-", subscriber, "/service-", i, kEnds[i % 4],
                    "\" { capabilities = [\"read\", \"subscribe\"] subscribe_event_types = "
                    "[\"emitter/data-*\"] }\n");
  }
  absl::StrAppend(&policy,
                  "path \"sys/events/subscribe/*\" { capabilities = [\"read\"] }\n"
                  "path \"bench/data/team/*\" { capabilities = [\"subscribe\"] "
                  "subscribe_event_types = [\"emitter/*\"] }\n");
  return policy;
}

std::string KvRequests::Put() {
  return PutTo(AnyKey());
}

std::string KvRequests::Get() {
  return RequestText("GET", PathOf(AnyKey()), "");
}

std::string KvRequests::PutTo(std::int64_t key) const {
  return RequestText("PUT", PathOf(key), version_.value);
}

std::string KvRequests::PathOf(std::int64_t key) const {
  return absl::StrCat(version_.folder, "key-", key);
}

std::int64_t KvRequests::AnyKey() {
  return std::uniform_int_distribution<std::int64_t>(0, kKeys - 1)(random_);
}

void MountKv(Belfry& belfry, const KvVersion& version) {
  belfry.Ask("POST", absl::StrCat("sys/mounts/kv", version.number),
             absl::StrCat(R"({"type":"kv","options":{"version":")", version.number, R"("}})"));
}

void FillKv(Belfry& belfry, const KvRequests& requests) {
  constexpr std::int64_t kKeptVersions = 10;
  std::int64_t number = 0;
  HttpLoad(belfry.port(), 8).Send(kKeptVersions * KvRequests::kKeys, [&] {
    return requests.PutTo(number++ % KvRequests::kKeys);
  });
}

}  // namespace belfry::bench
