#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "server/base/mutex.h"

namespace belfry::http {

// A connection is one strand: everything about it runs there, one thing at a time.
using Strand = boost::asio::strand<boost::asio::io_context::executor_type>;
using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Strand>;

// The one way into a connection for other threads. Once closed it forgets the strand, so that
// whoever still holds the mailbox cannot reach an io_context that is gone. Thread-safe.
class Mailbox {
 public:
  explicit Mailbox(Strand strand) : strand_(std::move(strand)) {}
  // Runs `work` on the strand; drops it when the mailbox is closed. Never runs it before it
  // returns.
  void Post(absl::AnyInvocable<void()> work);
  void Close();

 private:
  Mutex mutex_;
  std::optional<Strand> strand_ ABSL_GUARDED_BY(mutex_);
};

// Every open connection, so that the server can end them. Thread-safe.
class Connections {
 public:
  // Keeps a connection registered; it must not outlive the Connections.
  class Registration {
   public:
    Registration(Connections* connections, std::uint64_t id) : connections_(connections), id_(id) {}
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;
    // What is to run on the connection's strand when the server ends. Runs at once, through the
    // mailbox, when it is ending already.
    void OnShutdown(std::function<void()> shutdown);

   private:
    Connections* const connections_;
    const std::uint64_t id_;
  };

  // Shared by the connection and by what answers it from other threads.
  std::unique_ptr<Registration> Add(std::shared_ptr<Mailbox> mailbox);

  // Asks every connection to end, and waits until none is left or the deadline passes.
  void ShutDown(std::chrono::steady_clock::time_point deadline);
  // Cuts every connection off from other threads.
  void CloseMailboxes();

 private:
  struct Entry {
    std::shared_ptr<Mailbox> mailbox;
    std::function<void()> shutdown;
  };

  Mutex mutex_;
  CondVar empty_;
  std::map<std::uint64_t, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool shutting_down_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace belfry::http
