#include "tests/bench/jetstream.h"

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/measure.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {
namespace {

constexpr char kSubject[] = "kv";

// A connection of a publisher, which is used by one thread.
class Publisher {
 public:
  explicit Publisher(const std::string& url) {
    natsOptions* options = nullptr;
    natsOptions_Create(&options);
    natsOptions_SetURL(options, url.c_str());
    const natsStatus connected = natsConnection_Connect(&connection_, options);
    natsOptions_Destroy(options);
    if (connected != NATS_OK || natsConnection_JetStream(&stream_, connection_, nullptr) != NATS_OK)
      Die("cannot connect to nats-server");
  }
  ~Publisher() {
    jsCtx_Destroy(stream_);
    natsConnection_Destroy(connection_);
  }
  Publisher(const Publisher&) = delete;
  Publisher& operator=(const Publisher&) = delete;

  void AddStream() {
    const char* subjects[] = {kSubject};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = "events";
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    jsErrCode error = jsErrCode(0);
    if (js_AddStream(nullptr, stream_, &config, nullptr, &error) != NATS_OK)
      Die(absl::StrCat("nats-server adds no stream: ", static_cast<int>(error)));
  }
  bool Publish(const std::string& payload) {
    return js_Publish(nullptr, stream_, kSubject, payload.data(), static_cast<int>(payload.size()),
                      nullptr, nullptr) == NATS_OK;
  }

 private:
  natsConnection* connection_ = nullptr;
  jsCtx* stream_ = nullptr;
};

}  // namespace

JetStream::JetStream(const std::string& program) : folder_(NewFolder()) {
  const std::string config = folder_ + "/nats.conf";
  std::ofstream(config) << "listen: \"127.0.0.1:-1\"\njetstream {\n  store_dir: \"" << folder_
                        << "/store\"\n  sync_interval: always\n}\n";
  server_ = std::make_unique<Child>(std::vector<std::string>{program, "-c", config});
  const std::uint16_t port = PortIn(server_->LineAfter("Listening for client connections on "));
  url_ = absl::StrCat("nats://127.0.0.1:", port);
  server_->LineAfter("Server is ready");
  Publisher(url_).AddStream();
}

JetStream::~JetStream() {
  server_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void JetStream::Publish(std::int64_t count, std::int64_t publishers, const std::string& payload) {
  std::atomic<bool> failed = false;
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < publishers; ++i) {
    threads.emplace_back([&] {
      Publisher publisher(url_);
      for (std::int64_t sent = 0; sent < count / publishers && !failed; ++sent) {
        if (!publisher.Publish(payload)) failed = true;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed) Die("nats-server has acknowledged no message");
}

std::unique_ptr<JetStream> StartJetStreamIfThereIsOne() {
  const char* const program = std::getenv("BELFRY_BENCH_NATS");
  return program == nullptr ? nullptr : std::make_unique<JetStream>(program);
}

}  // namespace belfry::bench
