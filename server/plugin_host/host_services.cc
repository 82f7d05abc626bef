#include "server/plugin_host/host_services.h"

#include <unistd.h>

#include <chrono>
#include <utility>
#include <vector>

#include "base/text.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "sdk/wire/deadline.h"
#include "server/plugin_host/event_intake.h"
#include "server/plugin_host/event_services.h"
#include "server/plugin_host/storage_services.h"
#include "server/plugin_host/system_services.h"

namespace belfry::plugin_host {
namespace {

// A call to storage may name the path of a request, which may be 8 KiB long and is sent in base64.
constexpr int kMaxMetadataBytes = 16 * 1024;

// All its services answer on gRPC's own threads: where some wait on threads of their own, each call
// is handed from one to the other, which costs as much as the call.
class HostServicesImpl final : public HostServices {
 public:
  HostServicesImpl(std::string path, MountServices services)
      : path_(std::move(path)),
        services_(std::move(services)),
        storage_(services_.storage, services_.writes) {
    served_.push_back(NewStorageService(&storage_, &services_));
    served_.push_back(NewBatchService(&storage_, &intake_, &services_));
    served_.push_back(NewSystemViewService(&services_));
    served_.push_back(NewEventsService(&intake_));
    served_.push_back(NewProducerService(&intake_, &services_));
    served_.push_back(NewObservationsService());
  }

  ~HostServicesImpl() override {
    if (server_ != nullptr) server_->Shutdown(wire::DeadlineAfter(absl::ZeroDuration()));
    unlink(path_.c_str());
  }

  absl::Status Listen(const std::optional<wire::Trust>& trust) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(Concat({"unix:", path_}), wire::ServerCredentials(trust));
    builder.SetMaxReceiveMessageSize(-1);
    builder.SetMaxSendMessageSize(-1);
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
    for (const std::unique_ptr<grpc::Service>& service : served_)
      builder.RegisterService(service.get());
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::UnavailableError(Concat({"cannot listen on ", path_}));
    return absl::OkStatus();
  }

  void AllowWrites() override { storage_.AllowWrites(); }
  void ForbidWrites() override { storage_.ForbidWrites(); }

 private:
  const std::string path_;
  const MountServices services_;
  GuardedStorage storage_;
  const EventIntake intake_{&services_};
  std::vector<std::unique_ptr<grpc::Service>> served_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HostServices>> HostServices::Start(
    const std::string& path, const std::optional<wire::Trust>& trust, MountServices services) {
  auto started = std::make_unique<HostServicesImpl>(path, std::move(services));
  if (absl::Status status = started->Listen(trust); !status.ok()) return status;
  return started;
}

}  // namespace belfry::plugin_host
