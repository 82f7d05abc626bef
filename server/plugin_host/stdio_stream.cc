#include "server/plugin_host/stdio_stream.h"

#include "server/plugin_host/plugin_log.h"

namespace belfry::plugin_host {

StdioStream::StdioStream(const std::shared_ptr<grpc::Channel>& channel, const Logger& logger,
                         std::size_t max_line_bytes, LogBudget* budget)
    : stub_(plugin::GRPCStdio::NewStub(channel)) {
  stub_->async()->StreamStdio(&context_, &request_, this);
  // For reads that the writer starts.
  AddHold();
  StartRead(&data_);
  StartCall();
  // Ends with the stream, which the destructor cancels before it joins.
  writer_ = std::thread(
      [this, logger, max_line_bytes, budget] { WriteLog(logger, max_line_bytes, budget); });
}

StdioStream::~StdioStream() {
  context_.TryCancel();
  writer_.join();
}

void StdioStream::WriteLog(const Logger& logger, std::size_t max_line_bytes, LogBudget* budget) {
  PluginLog output(logger, max_line_bytes, budget);
  PluginLog error(logger, max_line_bytes, budget);
  for (State state = WaitForData(); state != State::kEnded; state = WaitForData()) {
    (data_.channel() == plugin::StdioData::STDERR ? error : output).Append(data_.data());
    {
      MutexLock lock(&mutex_);
      state_ = State::kReading;
    }
    StartRead(&data_);
  }
  output.Finish();
  error.Finish();
}

StdioStream::State StdioStream::WaitForData() {
  MutexLock lock(&mutex_);
  while (state_ == State::kReading) changed_.Wait(&mutex_);
  return state_;
}

void StdioStream::OnReadDone(bool ok) {
  if (!ok) return RemoveHold();
  MutexLock lock(&mutex_);
  state_ = State::kArrived;
  changed_.NotifyAll();
}

void StdioStream::OnDone(const grpc::Status&) {
  MutexLock lock(&mutex_);
  state_ = State::kEnded;
  // Under the lock and last: who waits destroys this as soon as it can take it.
  changed_.NotifyAll();
}

}  // namespace belfry::plugin_host
