#include "sdk/src/plugin_services.h"

namespace belfry::internal {

grpc::Status HealthService::Check(grpc::ServerContext*,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) {
  if (request->service() != "plugin" && !request->service().empty()) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "unknown service");
  }
  response->set_status(grpc::health::v1::HealthCheckResponse::SERVING);
  return grpc::Status::OK;
}

grpc::Status MultiplexingService::MultiplexingSupport(
    grpc::ServerContext*, const pluginutil::multiplexing::MultiplexingSupportRequest*,
    pluginutil::multiplexing::MultiplexingSupportResponse* response) {
  response->set_supported(mounts_ == MountsPerProcess::kMany);
  return grpc::Status::OK;
}

grpc::Status ControllerService::Shutdown(grpc::ServerContext*, const plugin::Empty*,
                                         plugin::Empty*) {
  stop_->Request();
  return grpc::Status::OK;
}

grpc::Status StdioService::StreamStdio(grpc::ServerContext* context, const google::protobuf::Empty*,
                                       grpc::ServerWriter<plugin::StdioData>* writer) {
  // The host waits for the first header before it takes the stream for open.
  writer->SendInitialMetadata();
  const auto cancelled = [context] { return context->IsCancelled(); };
  while (std::optional<std::string> chunk = buffer_->Next(cancelled)) {
    plugin::StdioData data;
    data.set_channel(plugin::StdioData::STDOUT);
    data.set_data(*std::move(chunk));
    if (!writer->Write(data)) break;
  }
  return grpc::Status::OK;
}

grpc::Status BrokerService::StartStream(
    grpc::ServerContext* context,
    grpc::ServerReaderWriter<plugin::ConnInfo, plugin::ConnInfo>* stream) {
  {
    MutexLock lock(&mutex_);
    if (stopped_) return grpc::Status::CANCELLED;
    open_.insert(context);
  }
  plugin::ConnInfo info;
  while (stream->Read(&info)) {
    broker_->Announce(info.service_id(), {info.network(), info.address()});
  }
  bool left = false;
  {
    MutexLock lock(&mutex_);
    open_.erase(context);
    left = open_.empty();
  }
  if (left) on_host_left_();
  return grpc::Status::OK;
}

bool BrokerService::HasHost() const {
  MutexLock lock(&mutex_);
  return !open_.empty();
}

void BrokerService::Stop() {
  MutexLock lock(&mutex_);
  stopped_ = true;
  for (grpc::ServerContext* context : open_) context->TryCancel();
}

}  // namespace belfry::internal
