#include "server/plugin_host/broker_stream.h"

namespace belfry::plugin_host {

BrokerStream::BrokerStream(const std::shared_ptr<grpc::Channel>& channel)
    : stub_(plugin::GRPCBroker::NewStub(channel)) {
  stub_->async()->StartStream(&context_, this);
  // For writes from threads that are not gRPC's, until the destructor.
  AddHold();
  StartRead(&read_);
  StartCall();
}

BrokerStream::~BrokerStream() {
  context_.TryCancel();
  RemoveHold();
  MutexLock lock(&mutex_);
  while (!done_) changed_.Wait(&mutex_);
}

bool BrokerStream::Announce(const plugin::ConnInfo& info) {
  MutexLock one_at_a_time(&announcing_);
  {
    MutexLock lock(&mutex_);
    write_ = Write::kUnderWay;
  }
  StartWrite(&info);
  MutexLock lock(&mutex_);
  while (write_ == Write::kUnderWay) changed_.Wait(&mutex_);
  return write_ == Write::kSent;
}

void BrokerStream::OnReadDone(bool ok) {
  if (ok) StartRead(&read_);
}

void BrokerStream::OnWriteDone(bool ok) {
  MutexLock lock(&mutex_);
  write_ = ok ? Write::kSent : Write::kFailed;
  changed_.NotifyAll();
}

void BrokerStream::OnDone(const grpc::Status&) {
  MutexLock lock(&mutex_);
  done_ = true;
  // Under the lock and last: who waits destroys this as soon as it can take it.
  changed_.NotifyAll();
}

}  // namespace belfry::plugin_host
