#include "tests/bench/event_peer.h"

#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "sdk/wire/credentials.h"
#include "tests/bench/sockets.h"

namespace belfry::bench {
namespace {

// The SDK's.
constexpr int kBatch = 1024;

std::string NewFolder() {
  std::string path = (std::filesystem::temp_directory_path() / "bench-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) Die("cannot make a folder for a socket");
  return path;
}

wire::Certificate NewCertificateOrDie() {
  absl::StatusOr<wire::Certificate> certificate = wire::NewCertificate();
  if (!certificate.ok()) Die(certificate.status().ToString());
  return *std::move(certificate);
}

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
}

// What kv sends for a write, as it is when it leaves the plugin.
logical::EventReceived NewEvent(int number) {
  logical::EventReceived event;
  event.set_event_type("emitter/data-write");
  event.mutable_event()->set_id(absl::StrCat("11111111-1111-4111-8111-", 100'000'000'000 + number));
  auto& fields = *event.mutable_event()->mutable_metadata()->mutable_fields();
  fields["path"].set_string_value("data/team/service/password");
  fields["data_path"].set_string_value("data/team/service/password");
  fields["operation"].set_string_value("data-write");
  fields["modified"].set_string_value("true");
  fields["current_version"].set_string_value("7");
  fields["oldest_version"].set_string_value("0");
  return event;
}

}  // namespace

EventPeer::EventPeer(const std::string& program, PeerKind kind) : folder_(NewFolder()) {
  const wire::Certificate server = NewCertificateOrDie();
  const wire::Certificate client = NewCertificateOrDie();
  WriteFile(folder_ + "/server.pem", server.certificate_pem);
  WriteFile(folder_ + "/server.key", server.private_key_pem);
  WriteFile(folder_ + "/client.pem", client.certificate_pem);
  server_ = std::make_unique<Child>(
      std::vector<std::string>{program, kind == PeerKind::kBare ? "bare" : "host", folder_});
  server_->LineAfter("listening");
  channel_ =
      wire::Connect("unix", folder_ + "/socket", wire::Trust{client, server.certificate_pem});
}

EventPeer::~EventPeer() {
  channel_.reset();
  server_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void EventPeer::Stream(std::int64_t events) {
  v1::PublishRequest request;
  for (int i = 0; i < kBatch; ++i) *request.add_events() = NewEvent(i);
  grpc::ClientContext context;
  const auto stream = v1::EventProducer::NewStub(channel_)->Publish(&context);
  const std::int64_t batches = events / kBatch;
  std::thread writer([&] {
    for (std::int64_t batch = 1; batch <= batches; ++batch) {
      request.set_batch(batch);
      if (!stream->Write(request)) return;
    }
    stream->WritesDone();
  });
  std::int64_t answered = 0;
  v1::PublishReply reply;
  while (stream->Read(&reply)) {
    if (reply.rejected_size() == 0) ++answered;
  }
  writer.join();
  stream->Finish();
  if (answered != batches) Die("an event peer did not take all events of a stream");
}

void EventPeer::Call(std::int64_t events, int threads) {
  const auto stub = pb::Events::NewStub(channel_);
  pb::SendEventRequest request;
  const logical::EventReceived event = NewEvent(0);
  request.set_event_type(event.event_type());
  *request.mutable_event() = event.event();
  std::atomic<bool> failed = false;
  std::vector<std::thread> senders;
  for (int i = 0; i < threads; ++i) {
    senders.emplace_back([&] {
      for (std::int64_t call = 0; call < events / threads; ++call) {
        grpc::ClientContext context;
        pb::Empty reply;
        if (!stub->SendEvent(&context, request, &reply).ok()) failed = true;
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  if (failed) Die("an event peer refused a call");
}

}  // namespace belfry::bench
