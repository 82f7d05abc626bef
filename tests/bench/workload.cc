#include "tests/bench/workload.h"

#include <utility>

#include "absl/strings/str_cat.h"
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

KvRequests::KvRequests(std::string path, std::string value)
    : path_(std::move(path)), value_(std::move(value)) {}

std::string KvRequests::Put() {
  return PutTo(AnyKey());
}

std::string KvRequests::Get() {
  return RequestText("GET", PathOf(AnyKey()), "");
}

std::string KvRequests::PutTo(std::int64_t key) const {
  return RequestText("PUT", PathOf(key), value_);
}

std::string KvRequests::PathOf(std::int64_t key) const {
  return absl::StrCat(path_, key);
}

std::int64_t KvRequests::AnyKey() {
  return std::uniform_int_distribution<std::int64_t>(0, kKeys - 1)(random_);
}

}  // namespace belfry::bench
