#pragma once

#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/logging.h"
#include "base/mutex.h"
#include "google/protobuf/empty.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/client_callback.h"
#include "proto/vault/grpc_stdio.grpc.pb.h"
#include "server/plugin_host/log_budget.h"

namespace belfry::plugin_host {

// What a plugin prints after its handshake, as log lines. (plugin-protocol 3.3)
//
// Threads: one of its own writes the log, so that a log that blocks holds up nobody else, and the
// plugin is read no faster than that; the On… functions are gRPC's, where nothing waits. Destroying
// it cancels the stream, logs what has arrived and waits for gRPC: not on a thread of gRPC.
class StdioStream final : public grpc::ClientReadReactor<plugin::StdioData> {
 public:
  // Longer lines are cut. `budget`, of all that the plugin writes, must outlive it.
  StdioStream(const std::shared_ptr<grpc::Channel>& channel, const Logger& logger,
              std::size_t max_line_bytes, LogBudget* budget);
  ~StdioStream() override;

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  enum class State { kReading, kArrived, kEnded };

  void WriteLog(const Logger& logger, std::size_t max_line_bytes, LogBudget* budget);
  State WaitForData();

  const std::unique_ptr<plugin::GRPCStdio::Stub> stub_;
  const google::protobuf::Empty request_;
  grpc::ClientContext context_;
  plugin::StdioData data_;  // gRPC's while kReading, else the thread's.
  Mutex mutex_;
  CondVar changed_;
  State state_ ABSL_GUARDED_BY(mutex_) = State::kReading;
  std::thread writer_;
};

}  // namespace belfry::plugin_host
