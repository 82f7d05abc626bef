// A plugin that does what no plugin should: it speaks the protocol by hand, because the SDK has no
// way to lie.
//
// PUT batch {"claim": "secret/"} sends three events in one batch: forger/first without plugin info,
// forger/forged as if from the claimed mount, forger/third without. The answer lists what the host
// rejected.
// PUT send {"type": "…"} sends an event of this type in both ways that there are, and answers with
// the codes and reasons, {"stream": …, "unary": …}.
// PUT reply {…}, a HandleRequestReply as JSON, is from then on the answer to everything else.
// PUT garble makes that answer one that no host can parse.
// PUT print {"text": "…", "times": n} writes it to standard error, so many times.
// PUT leave starts a child that sleeps, and answers with its {"pid": …}.

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <spawn.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "base/mutex.h"
#include "proto/belfry/v1/event_producer.grpc.pb.h"
#include "proto/vault/backend.grpc.pb.h"
#include "proto/vault/grpc_broker.grpc.pb.h"
#include "proto/vault/grpc_controller.grpc.pb.h"
#include "proto/vault/grpc_stdio.grpc.pb.h"
#include "proto/vault/health.grpc.pb.h"
#include "sdk/wire/certificate.h"
#include "sdk/wire/credentials.h"
#include "sdk/wire/handshake.h"

namespace {

using belfry::CondVar;
using belfry::Mutex;
using belfry::MutexLock;
using grpc::ServerContext;
using grpc::Status;

// What the services share: where the host's brokered listeners are, and whether it is time to go.
class State {
 public:
  void Learn(const plugin::ConnInfo& info) {
    MutexLock lock(&mutex_);
    listeners_[info.service_id()] = info;
    changed_.NotifyAll();
  }
  plugin::ConnInfo Wait(std::uint32_t id) {
    MutexLock lock(&mutex_);
    while (!listeners_.contains(id)) changed_.Wait(&mutex_);
    return listeners_[id];
  }
  void Stop() {
    MutexLock lock(&mutex_);
    stopped_ = true;
    changed_.NotifyAll();
  }
  void WaitForStop() {
    MutexLock lock(&mutex_);
    while (!stopped_) changed_.Wait(&mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::map<std::uint32_t, plugin::ConnInfo> listeners_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

class Broker final : public plugin::GRPCBroker::Service {
 public:
  explicit Broker(State* state) : state_(state) {}
  Status StartStream(
      ServerContext*,
      grpc::ServerReaderWriter<plugin::ConnInfo, plugin::ConnInfo>* stream) override {
    plugin::ConnInfo info;
    while (stream->Read(&info)) state_->Learn(info);
    state_->Stop();
    return Status::OK;
  }

 private:
  State* const state_;
};

class Controller final : public plugin::GRPCController::Service {
 public:
  explicit Controller(State* state) : state_(state) {}
  Status Shutdown(ServerContext*, const plugin::Empty*, plugin::Empty*) override {
    state_->Stop();
    return Status::OK;
  }

 private:
  State* const state_;
};

class Health final : public grpc::health::v1::Health::Service {
  Status Check(ServerContext*, const grpc::health::v1::HealthCheckRequest*,
               grpc::health::v1::HealthCheckResponse* response) override {
    response->set_status(grpc::health::v1::HealthCheckResponse::SERVING);
    return Status::OK;
  }
};

class Backend final : public pb::Backend::Service {
 public:
  Backend(State* state, const std::optional<belfry::wire::Trust>& trust)
      : state_(state), trust_(trust) {}

  Status Setup(ServerContext*, const pb::SetupArgs* args, pb::SetupReply*) override {
    const plugin::ConnInfo host = state_->Wait(args->broker_id());
    const auto channel = belfry::wire::Connect(host.network(), host.address(), trust_);
    producer_ = belfry::v1::EventProducer::NewStub(channel);
    events_ = pb::Events::NewStub(channel);
    return Status::OK;
  }
  Status Type(ServerContext*, const pb::Empty*, pb::TypeReply* reply) override {
    reply->set_type(1);
    return Status::OK;
  }
  Status SpecialPaths(ServerContext*, const pb::Empty*, pb::SpecialPathsReply*) override {
    return Status::OK;
  }
  Status Initialize(ServerContext*, const pb::InitializeArgs*, pb::InitializeReply*) override {
    return Status::OK;
  }
  Status Cleanup(ServerContext*, const pb::Empty*, pb::Empty*) override { return Status::OK; }
  Status HandleExistenceCheck(ServerContext*, const pb::HandleExistenceCheckArgs*,
                              pb::HandleExistenceCheckReply*) override {
    return Status::OK;
  }
  Status HandleRequest(ServerContext*, const pb::HandleRequestArgs* args,
                       pb::HandleRequestReply* reply) override {
    const pb::Request& request = args->request();
    if (request.path() == "reply") return Learn(request.data());
    if (request.path() == "garble") return Garble();
    boost::json::object answer;
    if (!Do(request, answer)) {
      MutexLock lock(&mutex_);
      *reply = reply_;
      return Status::OK;
    }
    reply->mutable_response()->set_data(boost::json::serialize(answer));
    return Status::OK;
  }

 private:
  // False when the path is none of those with an effect.
  bool Do(const pb::Request& request, boost::json::object& answer) {
    if (request.path() == "leave") {
      answer["pid"] = LeaveChild();
      return true;
    }
    if (request.path() != "batch" && request.path() != "send" && request.path() != "print")
      return false;
    const auto data = boost::json::parse(request.data()).as_object();
    if (request.path() == "batch")
      answer["rejected"] = SendBatch(std::string(data.at("claim").as_string()));
    if (request.path() == "send") SendBothWays(std::string(data.at("type").as_string()), answer);
    if (request.path() == "print") {
      const std::string text(data.at("text").as_string());
      for (auto left = data.at("times").as_int64(); left > 0; --left) std::cerr << text;
      std::cerr << std::flush;
    }
    return true;
  }

  Status Learn(const std::string& json) {
    MutexLock lock(&mutex_);
    reply_.Clear();
    if (google::protobuf::util::JsonStringToMessage(json, &reply_).ok()) return Status::OK;
    return {grpc::StatusCode::INVALID_ARGUMENT, "that is no reply"};
  }

  // A string that is not UTF-8 is written all the same, and parsed nowhere.
  Status Garble() {
    MutexLock lock(&mutex_);
    reply_.Clear();
    reply_.mutable_response()->set_redirect("\xff");
    return Status::OK;
  }

  static pid_t LeaveChild() {
    pid_t pid = 0;
    std::string words[] = {"sleep", "600"};
    char* const arguments[] = {words[0].data(), words[1].data(), nullptr};
    posix_spawnp(&pid, "sleep", nullptr, nullptr, arguments, nullptr);
    return pid;
  }

  void SendBothWays(const std::string& type, boost::json::object& answer) {
    belfry::v1::PublishRequest batch;
    batch.add_events()->set_event_type(type);
    (*batch.mutable_events(0)->mutable_event()->mutable_metadata()->mutable_fields())["path"]
        .set_string_value("a");
    answer["stream"] = Publish(batch);
    pb::SendEventRequest single;
    single.set_event_type(type);
    *single.mutable_event() = batch.events(0).event();
    grpc::ClientContext context;
    pb::Empty empty;
    const Status status = events_->SendEvent(&context, single, &empty);
    answer["unary"] = {{"code", static_cast<int>(status.error_code())},
                       {"reason", status.error_message()}};
  }

  boost::json::array SendBatch(const std::string& claimed_mount) {
    belfry::v1::PublishRequest request;
    request.set_batch(1);
    for (const char* type : {"forger/first", "forger/forged", "forger/third"}) {
      logical::EventReceived& event = *request.add_events();
      event.set_event_type(type);
      event.mutable_event()->set_id(std::string("00000000-0000-0000-0000-00000000000") +
                                    std::to_string(request.events_size()));
      auto& metadata = *event.mutable_event()->mutable_metadata()->mutable_fields();
      metadata["path"].set_string_value("batch");
      metadata["modified"].set_string_value("true");
    }
    logical::EventPluginInfo& forged = *request.mutable_events(1)->mutable_plugin_info();
    forged.set_mount_class("secret");
    forged.set_mount_path(claimed_mount);
    forged.set_plugin("kv");

    return Publish(request);
  }

  // What the host rejected.
  boost::json::array Publish(const belfry::v1::PublishRequest& request) {
    grpc::ClientContext context;
    auto stream = producer_->Publish(&context);
    belfry::v1::PublishReply reply;
    boost::json::array rejected;
    if (stream->Write(request) && stream->Read(&reply)) {
      for (const auto& event : reply.rejected()) {
        rejected.push_back(
            {{"index", event.index()}, {"code", event.code()}, {"reason", event.reason()}});
      }
    }
    stream->WritesDone();
    if (const Status status = stream->Finish(); !status.ok())
      std::cerr << status.error_message() << std::endl;
    return rejected;
  }

  State* const state_;
  const std::optional<belfry::wire::Trust> trust_;
  std::unique_ptr<belfry::v1::EventProducer::Stub> producer_;
  std::unique_ptr<pb::Events::Stub> events_;
  Mutex mutex_;
  pb::HandleRequestReply reply_ ABSL_GUARDED_BY(mutex_);
};

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

int main() {
  if (Environment(belfry::wire::kCookieName) != belfry::wire::kCookieValue) return 1;
  const auto certificate = belfry::wire::NewCertificate();
  if (!certificate.ok()) return 1;
  const belfry::wire::Trust trust{*certificate,
                                  Environment(belfry::wire::kClientCertificateVariable)};
  const std::string socket =
      Environment(belfry::wire::kSocketDirectoryVariable) + "/forger" + std::to_string(getpid());

  State state;
  Broker broker(&state);
  Controller controller(&state);
  Health health;
  Backend backend(&state, trust);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + socket, belfry::wire::ServerCredentials(trust));
  for (grpc::Service* service :
       std::initializer_list<grpc::Service*>{&broker, &controller, &health, &backend}) {
    builder.RegisterService(service);
  }
  const auto server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  const belfry::wire::Handshake handshake{.network = "unix", .address = socket};
  std::cout << FormatHandshake(handshake, belfry::wire::EncodeHandshakeCertificate(
                                              certificate->certificate_der))
            << std::endl;
  state.WaitForStop();
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
  unlink(socket.c_str());
  return 0;
}
