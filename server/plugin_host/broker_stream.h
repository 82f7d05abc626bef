#pragma once

#include <memory>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "proto/vault/grpc_broker.grpc.pb.h"

namespace belfry::plugin_host {

// The broker's stream of one plugin process, on which a host says where its listeners are. A plugin
// announces nothing in this protocol. (plugin-protocol 3.1)
//
// Threads: safe; the On… functions are gRPC's. No thread of its own: one that waits within gRPC
// would be woken for the traffic of all others. Destroying it cancels the stream and waits for
// gRPC, so that it must not happen on a thread of gRPC.
class BrokerStream final : public grpc::ClientBidiReactor<plugin::ConnInfo, plugin::ConnInfo> {
 public:
  explicit BrokerStream(const std::shared_ptr<grpc::Channel>& channel);
  ~BrokerStream() override;

  // Returns when it has been sent; false when the stream is gone.
  bool Announce(const plugin::ConnInfo& info);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  enum class Write { kNone, kUnderWay, kSent, kFailed };

  const std::unique_ptr<plugin::GRPCBroker::Stub> stub_;
  grpc::ClientContext context_;
  plugin::ConnInfo read_;  // gRPC's.
  Mutex announcing_;       // One at a time.
  Mutex mutex_;
  CondVar changed_;
  Write write_ ABSL_GUARDED_BY(mutex_) = Write::kNone;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::plugin_host
