// A plugin that sends as many events as it is asked to, for benchmarks.

#include <cstdint>
#include <thread>
#include <vector>

#include "belfry/plugin.h"

namespace {

// What kv sends for a write, so that frames have a real size.
const belfry::EventMetadata kMetadata = {
    .path = "data/team/service/password",
    .data_path = "data/team/service/password",
    .operation = "data-write",
    .modified = true,
    .extra = {{"current_version", "7"}, {"oldest_version", "0"}},
};

constexpr char kType[] = "kv-v2/data-write";

absl::Status SendOneByOne(belfry::EventSender& events, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    BELFRY_RETURN_IF_ERROR(events.Send(kType, kMetadata));
  }
  return absl::OkStatus();
}

absl::Status SendTogether(belfry::EventSender& events, std::int64_t count, std::int64_t at_once) {
  const std::vector<belfry::Event> batch(at_once, {kType, kMetadata});
  for (std::int64_t sent = 0; sent < count; sent += at_once) {
    for (const absl::Status& status : events.SendAll(batch)) BELFRY_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

void DefineEmitter(belfry::SecretsEngine& engine) {
  belfry::Route& emit = engine.Path(
      "emit", "Sends `count` events from `senders` threads and answers when all are accepted.");
  const auto count = emit.Field<std::int64_t>("count", "How many events.");
  const auto senders = emit.Field<std::int64_t>("senders", "From how many threads.");
  const auto at_once = emit.Field<std::int64_t>("at_once", "How many in one call.");
  emit.Default(senders, std::int64_t{1});
  emit.Default(at_once, std::int64_t{1});
  emit.OnWrite([count, senders, at_once](belfry::Request& request) -> belfry::Result {
    std::vector<std::thread> threads;
    std::vector<absl::Status> results(request[senders]);
    for (std::size_t i = 0; i < results.size(); ++i) {
      threads.emplace_back([&, i] {
        const std::int64_t share = request[count] / request[senders];
        results[i] = request[at_once] == 1
                         ? SendOneByOne(request.events(), share)
                         : SendTogether(request.events(), share, request[at_once]);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const absl::Status& result : results) BELFRY_RETURN_IF_ERROR(result);
    return belfry::Response::NoContent();
  });
}

}  // namespace

int main(int argc, char** argv) {
  return belfry::Serve({.name = "emitter", .version = "", .define = DefineEmitter}, argc, argv);
}
