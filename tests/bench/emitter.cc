// A plugin that sends as many events as it is asked to, for benchmarks and tests under load.

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "belfry/plugin.h"

namespace {

constexpr char kType[] = "emitter/data-write";

struct Work {
  std::int64_t at_once = 1;
  std::int64_t paths = 1;
  std::int64_t first = -1;  // The number of the first event; -1: they have none.
};

// What kv sends for a write, so that frames have a real size.
belfry::Event EventOf(const Work& work, std::int64_t i) {
  std::string path = "data/team/service/password";
  if (work.paths > 1) path += "-" + std::to_string(i % work.paths);
  belfry::Event event{kType,
                      {.path = path,
                       .data_path = path,
                       .operation = "data-write",
                       .modified = true,
                       .extra = {{"current_version", "7"}, {"oldest_version", "0"}}}};
  if (work.first >= 0) event.metadata.extra["number"] = std::to_string(work.first + i);
  return event;
}

absl::Status SendOneByOne(belfry::EventSender& events, const Work& work, std::int64_t count) {
  const belfry::Event same = EventOf(work, 0);
  const bool differ = work.paths > 1 || work.first >= 0;
  for (std::int64_t i = 0; i < count; ++i) {
    BELFRY_RETURN_IF_ERROR(events.Send(kType, differ ? EventOf(work, i).metadata : same.metadata));
  }
  return absl::OkStatus();
}

absl::Status SendTogether(belfry::EventSender& events, const Work& work, std::int64_t count) {
  std::vector<belfry::Event> batch;
  for (std::int64_t sent = 0; sent < count; sent += work.at_once) {
    if (batch.empty() || work.first >= 0) {
      batch.clear();
      for (std::int64_t i = 0; i < work.at_once; ++i) batch.push_back(EventOf(work, sent + i));
    }
    for (const absl::Status& status : events.SendAll(batch)) BELFRY_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

void DefineEmitter(belfry::Engine& engine) {
  belfry::Route& emit = engine.Path(
      "emit", "Sends `count` events from `senders` threads and answers when all are accepted.");
  const auto count = emit.Field<std::int64_t>("count", "How many events.");
  const auto senders = emit.Field<std::int64_t>("senders", "From how many threads.");
  const auto at_once = emit.Field<std::int64_t>("at_once", "How many in one call.");
  const auto paths = emit.Field<std::int64_t>("paths", "On how many paths, in turn.");
  const auto first = emit.Field<std::int64_t>(
      "first", "What the first is numbered with, in its metadata; -1: no numbers.");
  emit.Default(senders, std::int64_t{1});
  emit.Default(at_once, std::int64_t{1});
  emit.Default(paths, std::int64_t{1});
  emit.Default(first, std::int64_t{-1});
  emit.OnWrite([count, senders, at_once, paths, first](belfry::Request& request) -> belfry::Result {
    const std::int64_t share = request[count] / request[senders];
    std::vector<std::thread> threads;
    std::vector<absl::Status> results(request[senders]);
    for (std::size_t i = 0; i < results.size(); ++i) {
      threads.emplace_back([&, i] {
        Work work{.at_once = request[at_once], .paths = request[paths], .first = request[first]};
        if (work.first >= 0) work.first += static_cast<std::int64_t>(i) * share;
        results[i] = work.at_once == 1 ? SendOneByOne(request.events(), work, share)
                                       : SendTogether(request.events(), work, share);
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
