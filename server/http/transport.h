#pragma once

#include <sys/uio.h>

#include <boost/asio/buffer.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "absl/functional/any_invocable.h"
#include "server/http/strand.h"

namespace belfry::http {

// The bytes of one connection, both ways: what a session needs of a socket, whether they travel
// plain, encrypted or, in tests, through memory. Not thread-safe: its functions are called on its
// strand. Handlers run there too, exactly once unless the io_context goes first, and never before
// the call that was given them has returned.
//
// A transport that encrypts reads and writes on its own behalf whenever its protocol needs it. It
// may hold a bounded number of bytes that it has received but nobody has read, and of bytes that
// WriteSome has taken but the network has not; the latter leave without further calls.
class Transport {
 public:
  using ReadHandler = absl::AnyInvocable<void(boost::system::error_code error, std::size_t size)>;
  using WaitHandler = absl::AnyInvocable<void(boost::system::error_code error)>;

  // How many pieces one WriteSome may be given: what the kernel takes in one call (IOV_MAX).
  static constexpr std::size_t kMaxPieces = 1024;

  // As Close.
  virtual ~Transport() = default;

  virtual Strand strand() = 0;
  // The address of the peer, without its port; empty when it is not known.
  virtual std::string PeerAddress() const = 0;

  // Reads at least one byte and at most what `buffer` holds, which must live until `done` runs.
  // boost::asio::error::eof once the peer has finished sending; any other error means that the
  // connection is broken or closed. One at a time.
  virtual void ReadSome(boost::asio::mutable_buffer buffer, ReadHandler done) = 0;

  // Sends as many bytes from the front of `pieces` as there is room for, without waiting, and
  // returns how many: 0 when there is none now, nothing when the connection is broken or closed.
  // The rest is forgotten: the next call may bring other bytes. `pieces` need not outlive the call.
  virtual std::optional<std::size_t> WriteSome(std::span<const iovec> pieces) = 0;
  // Waits until WriteSome is worth another try. One at a time, also while a ReadSome is under way.
  virtual void AwaitWritable(WaitHandler done) = 0;
  // From now on WriteSome takes no more while so many bytes have not left the machine; a hint.
  virtual void LimitUnsent(std::size_t bytes) = 0;

  // Tells the peer, after all that WriteSome has taken, that nothing more comes. Does not wait for
  // that to arrive. Reading goes on; nothing may be written any more.
  virtual void ShutdownSend() = 0;
  // Ends both directions now; what has not been sent may be lost. Operations under way fail. May be
  // called again.
  virtual void Close() = 0;
};

}  // namespace belfry::http
