#include "server/http/tls_transport.h"

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/errc.hpp>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "server/http/openssl.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t kRecordBytes = SSL3_RT_MAX_PLAIN_LENGTH;
// What a record has beside its content: a header of 5 bytes, and at most 24 for cipher and type.
constexpr std::size_t kRecordOverhead = 32;
// So much is encrypted before the network is asked whether it takes it.
constexpr std::size_t kMaxRecords = 8;
constexpr std::size_t kMaxBatchBytes = kMaxRecords * kRecordBytes;
// A peer that makes this end answer, by new keys, and does not read that, is not read from either.
constexpr std::size_t kMaxUnsentBytes = 2 * (kMaxBatchBytes + kMaxRecords * kRecordOverhead);
// A ClientHello has up to 2 KiB, with a client's certificates to come.
constexpr std::size_t kHandshakeReadSize = 4096;
constexpr std::size_t kMinReadSize = 1024;
constexpr std::size_t kMaxReadSize = 2 * kRecordBytes;
// An idle connection keeps no buffer that is larger.
constexpr std::size_t kMaxIdleUnsent = 256;

// As Go's server answers.
constexpr std::string_view kPlainHttpAnswer =
    "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

// Of the handshake that has just failed.
std::string HandshakeError(const SSL* ssl) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified == X509_V_OK) return OpenSslReason();
  return Concat({OpenSslReason(), ": ", X509_verify_cert_error_string(verified)});
}

error_code ProtocolError() {
  return make_error_code(boost::system::errc::protocol_error);
}

// What is still to be taken of several pieces.
class Rest {
 public:
  explicit Rest(std::span<const iovec> pieces) : pieces_(pieces) {
    for (const iovec& piece : pieces) size_ += piece.iov_len;
  }

  std::size_t size() const { return size_; }

  // The content of the next record: what is left, or as much as one holds. It lies in `scratch`
  // where it takes several pieces.
  std::string_view TakeRecord(std::span<char, kRecordBytes> scratch) {
    if (const std::string_view piece = Piece();
        piece.size() >= kRecordBytes || piece.size() == size_) {
      return Take(std::min(piece.size(), kRecordBytes));
    }
    std::size_t size = 0;
    while (size < kRecordBytes && size_ > 0) {
      const std::string_view part = Take(std::min(Piece().size(), kRecordBytes - size));
      std::memcpy(scratch.data() + size, part.data(), part.size());
      size += part.size();
    }
    return {scratch.data(), size};
  }

 private:
  // What is left of the first piece that is not empty.
  std::string_view Piece() {
    while (taken_ == pieces_.front().iov_len) {
      pieces_ = pieces_.subspan(1);
      taken_ = 0;
    }
    return {static_cast<const char*>(pieces_.front().iov_base) + taken_,
            pieces_.front().iov_len - taken_};
  }

  std::string_view Take(std::size_t size) {
    const std::string_view part = Piece().substr(0, size);
    taken_ += size;
    size_ -= size;
    return part;
  }

  std::span<const iovec> pieces_;
  std::size_t taken_ = 0;  // Of the first piece.
  std::size_t size_ = 0;
};

// What has come from the network and OpenSSL has not read yet.
class Received {
 public:
  bool empty() const { return begin_ == end_; }
  std::string_view View() const { return {bytes_.get() + begin_, end_ - begin_}; }
  void Consume(std::size_t size) { begin_ += size; }

  // Room for what comes next; only when it is empty.
  asio::mutable_buffer Prepare(std::size_t size) {
    if (size != capacity_) {
      bytes_ = std::make_unique_for_overwrite<char[]>(size);
      capacity_ = size;
    }
    begin_ = end_ = 0;
    return {bytes_.get(), capacity_};
  }
  void Commit(std::size_t size) { end_ = size; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace

// OpenSSL reads from received_ and writes to unsent_, through a BIO of ours, and never waits.
class TlsTransport::Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::unique_ptr<Transport> below, TlsListener* listener)
      : below_(std::move(below)), listener_(listener) {}

  Transport& below() { return *below_; }

  void ReadSome(asio::mutable_buffer buffer, ReadHandler done);
  std::optional<std::size_t> WriteSome(std::span<const iovec> pieces);
  void AwaitWritable(WaitHandler done);
  void ShutdownSend();
  void Close();

 private:
  // Held by what is to be called back. If it is not, the io_context goes, and the caller's handlers
  // go with it: they own what owns this.
  class Operation {
   public:
    explicit Operation(std::shared_ptr<Connection> connection)
        : connection_(std::move(connection)) {}
    ~Operation() {
      if (connection_ != nullptr) connection_->Abandon();
    }
    Operation(Operation&&) noexcept = default;
    Operation& operator=(Operation&&) = delete;

    // To be called once, when it is called back.
    std::shared_ptr<Connection> Finish() { return std::exchange(connection_, nullptr); }

   private:
    std::shared_ptr<Connection> connection_;
  };

  // OpenSSL's way to the bytes.
  static BIO_METHOD* NewBioMethod();
  static int BioRead(BIO* bio, char* out, int size);
  static int BioWrite(BIO* bio, const char* bytes, int size);
  static long BioControl(BIO* bio, int command, long, void*);

  // Goes on with what the caller waits for.
  void Advance();
  void Receive(std::size_t size);
  void OnReceived(error_code error, std::size_t size);

  void ContinueHandshake();
  void OnTurn();
  bool SetUp();
  bool SpeaksPlainHttp() const;
  void RefusePlainHttp();
  void FailHandshake(std::string_view reason);

  void Decrypt();
  std::size_t Encrypt(Rest& rest);
  bool WriteRecord(std::string_view content);

  bool HasUnsent() const { return sent_ < unsent_.size(); }
  // Hands what is encrypted to the network, as far as there is room.
  void Flush();
  void OnFlushed();
  void AwaitBelow();
  void OnBelowWritable(error_code error);

  // Nothing follows; the first error is what every operation ends with.
  void Fail(error_code error);
  void Abandon();
  void CompleteRead(error_code error, std::size_t size);
  void CompleteWait(error_code error);

  const std::unique_ptr<Transport> below_;
  TlsListener* const listener_;
  OpenSslPtr<SSL> ssl_;  // From the first bytes on.
  bool handshake_done_ = false;
  std::optional<HandshakeTurns::Ticket> turn_;  // That the handshake waits for.
  error_code failure_;

  Received received_;
  bool receiving_ = false;
  bool peer_finished_ = false;  // The transport below has come to its end.

  std::string unsent_;  // Of this `sent_` bytes have been sent.
  std::size_t sent_ = 0;
  std::uint64_t records_ = 0;  // Under the current key.
  bool awaiting_below_ = false;
  bool finishing_ = false;  // By ShutdownSend.
  bool finished_ = false;   // The transport below has been told.

  // The caller's.
  asio::mutable_buffer buffer_;
  ReadHandler read_;
  WaitHandler wait_;
};

void TlsTransport::Connection::ReadSome(asio::mutable_buffer buffer, ReadHandler done) {
  buffer_ = buffer;
  read_ = std::move(done);
  if (failure_) {
    CompleteRead(failure_, 0);
  } else {
    Advance();
  }
}

void TlsTransport::Connection::AwaitWritable(WaitHandler done) {
  wait_ = std::move(done);
  if (failure_) {
    CompleteWait(failure_);
  } else {
    Advance();
  }
}

std::optional<std::size_t> TlsTransport::Connection::WriteSome(std::span<const iovec> pieces) {
  if (failure_ || finishing_) return std::nullopt;
  if (!handshake_done_) return 0;
  Flush();
  Rest rest(pieces);
  std::size_t taken = 0;
  while (!failure_ && !HasUnsent() && rest.size() > 0) {
    taken += Encrypt(rest);
    Flush();
  }
  if (failure_) return std::nullopt;
  return taken;
}

void TlsTransport::Connection::ShutdownSend() {
  if (failure_ || finishing_) return;
  finishing_ = true;
  ERR_clear_error();
  if (handshake_done_) SSL_shutdown(ssl_.get());
  Flush();
}

void TlsTransport::Connection::Close() {
  below_->Close();
  Fail(asio::error::operation_aborted);
}

void TlsTransport::Connection::Advance() {
  if (failure_) return;
  if (!handshake_done_) {
    if (read_ != nullptr || wait_ != nullptr) ContinueHandshake();
    return;
  }
  if (read_ != nullptr) Decrypt();
  // What was read may have asked for an answer.
  Flush();
  if (!failure_ && wait_ != nullptr) AwaitBelow();
}

void TlsTransport::Connection::Receive(std::size_t size) {
  if (receiving_) return;
  receiving_ = true;
  below_->ReadSome(received_.Prepare(size), [operation = Operation(shared_from_this())](
                                                error_code error, std::size_t size) mutable {
    operation.Finish()->OnReceived(error, size);
  });
}

void TlsTransport::Connection::OnReceived(error_code error, std::size_t size) {
  receiving_ = false;
  if (failure_) return;
  if (error && error != asio::error::eof) {
    Fail(error);
    return;
  }
  peer_finished_ = error == asio::error::eof;
  received_.Commit(size);
  Advance();
}

void TlsTransport::Connection::ContinueHandshake() {
  if (turn_ || receiving_) return;
  if (received_.empty() && !peer_finished_) {
    Receive(kHandshakeReadSize);
  } else if (ssl_ == nullptr && received_.empty()) {
    // It has only looked whether somebody listens.
    Fail(asio::error::eof);
  } else if (ssl_ == nullptr && SpeaksPlainHttp()) {
    RefusePlainHttp();
  } else {
    turn_ = listener_->turns->Run(
        below_->strand(),
        [operation = Operation(shared_from_this())]() mutable { operation.Finish()->OnTurn(); });
  }
}

void TlsTransport::Connection::OnTurn() {
  turn_.reset();
  if (failure_) return;
  ERR_clear_error();
  if (ssl_ == nullptr && !SetUp()) {
    Fail(asio::error::no_memory);
    return;
  }
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    handshake_done_ = true;
  } else if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) {
    FailHandshake(HandshakeError(ssl_.get()));
  } else if (peer_finished_) {
    FailHandshake("the client ended the connection");
  }
  if (failure_) return;
  Flush();
  Advance();
}

bool TlsTransport::Connection::SetUp() {
  static BIO_METHOD* const method = NewBioMethod();
  ssl_ = listener_->context->NewConnection();
  BIO* const bio = method == nullptr ? nullptr : BIO_new(method);
  if (ssl_ == nullptr || bio == nullptr) return false;
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  return true;
}

// A method begins with a capital letter, a record with a number below 32, and SSL 2's ClientHello
// with one above 127.
bool TlsTransport::Connection::SpeaksPlainHttp() const {
  const char first = received_.View().front();
  return 'A' <= first && first <= 'Z';
}

void TlsTransport::Connection::RefusePlainHttp() {
  const iovec piece{const_cast<char*>(kPlainHttpAnswer.data()), kPlainHttpAnswer.size()};
  below_->WriteSome({&piece, 1});  // There is room: it is the first.
  FailHandshake("the client sent an HTTP request");
}

// The session closes the connection when it is told; what has been written by then still leaves.
void TlsTransport::Connection::FailHandshake(std::string_view reason) {
  listener_->failed_handshakes.Increment();
  if (const std::optional<std::uint64_t> left_out = listener_->failure_lines.Take()) {
    listener_->logger.Debug("a TLS handshake has failed",
                            {{"remote_address", below_->PeerAddress()},
                             {"reason", std::string(reason)},
                             {"suppressed", std::to_string(*left_out)}});
  }
  finishing_ = true;
  Flush();
  Fail(ProtocolError());
}

void TlsTransport::Connection::Decrypt() {
  if (unsent_.size() - sent_ > kMaxUnsentBytes || receiving_) return;
  std::size_t size = 0;
  int result = 0;
  ERR_clear_error();
  while (size < buffer_.size()) {
    result = SSL_read(ssl_.get(), static_cast<char*>(buffer_.data()) + size,
                      static_cast<int>(std::min(buffer_.size() - size, kMaxReadSize)));
    if (result <= 0) break;
    size += static_cast<std::size_t>(result);
  }
  if (size > 0) {
    CompleteRead({}, size);
    return;
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      if (peer_finished_) {
        CompleteRead(asio::error::connection_aborted, 0);
      } else {
        Receive(std::clamp(buffer_.size(), kMinReadSize, kMaxReadSize));
      }
      return;
    case SSL_ERROR_ZERO_RETURN:
      CompleteRead(asio::error::eof, 0);
      return;
    default:
      Flush();  // The alert.
      Fail(ProtocolError());
  }
}

std::size_t TlsTransport::Connection::Encrypt(Rest& rest) {
  std::array<char, kRecordBytes> scratch;
  const std::size_t before = rest.size();
  const std::size_t most = std::min(before, kMaxBatchBytes);
  unsent_.reserve(most + (most / kRecordBytes + 1) * kRecordOverhead);
  for (std::size_t i = 0; i < kMaxRecords && rest.size() > 0; ++i) {
    if (!WriteRecord(rest.TakeRecord(scratch))) {
      Fail(ProtocolError());
      return 0;
    }
  }
  return before - rest.size();
}

bool TlsTransport::Connection::WriteRecord(std::string_view content) {
  ERR_clear_error();
  if (++records_ > listener_->max_records_per_key && SSL_version(ssl_.get()) == TLS1_3_VERSION) {
    records_ = 1;
    if (SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1) return false;
  }
  return SSL_write(ssl_.get(), content.data(), static_cast<int>(content.size())) ==
         static_cast<int>(content.size());
}

void TlsTransport::Connection::Flush() {
  if (failure_ || awaiting_below_) return;
  if (HasUnsent() && !finished_) {
    const iovec piece{unsent_.data() + sent_, unsent_.size() - sent_};
    const std::optional<std::size_t> sent = below_->WriteSome({&piece, 1});
    if (!sent) {
      Fail(asio::error::broken_pipe);
      return;
    }
    sent_ += *sent;
    if (HasUnsent()) {
      AwaitBelow();
      return;
    }
  }
  OnFlushed();
}

void TlsTransport::Connection::OnFlushed() {
  unsent_.clear();
  sent_ = 0;
  if (unsent_.capacity() > kMaxIdleUnsent) std::string().swap(unsent_);
  if (finishing_ && !std::exchange(finished_, true)) below_->ShutdownSend();
}

void TlsTransport::Connection::AwaitBelow() {
  if (std::exchange(awaiting_below_, true)) return;
  below_->AwaitWritable([operation = Operation(shared_from_this())](error_code error) mutable {
    operation.Finish()->OnBelowWritable(error);
  });
}

void TlsTransport::Connection::OnBelowWritable(error_code error) {
  awaiting_below_ = false;
  if (failure_) return;
  if (error) {
    Fail(error);
    return;
  }
  Flush();
  if (!failure_ && !HasUnsent() && handshake_done_ && wait_ != nullptr) CompleteWait({});
  Advance();
}

void TlsTransport::Connection::Fail(error_code error) {
  if (!failure_) failure_ = error;
  CompleteRead(failure_, 0);
  CompleteWait(failure_);
  if (turn_) listener_->turns->Cancel(*std::exchange(turn_, std::nullopt));
}

void TlsTransport::Connection::Abandon() {
  const ReadHandler read = std::exchange(read_, nullptr);
  const WaitHandler wait = std::exchange(wait_, nullptr);
}

void TlsTransport::Connection::CompleteRead(error_code error, std::size_t size) {
  if (read_ == nullptr) return;
  asio::post(below_->strand(),
             [done = std::exchange(read_, nullptr), error, size]() mutable { done(error, size); });
}

void TlsTransport::Connection::CompleteWait(error_code error) {
  if (wait_ == nullptr) return;
  asio::post(below_->strand(),
             [done = std::exchange(wait_, nullptr), error]() mutable { done(error); });
}

BIO_METHOD* TlsTransport::Connection::NewBioMethod() {
  BIO_METHOD* const method =
      BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "belfry connection");
  if (method == nullptr) return nullptr;
  BIO_meth_set_read(method, &BioRead);
  BIO_meth_set_write(method, &BioWrite);
  BIO_meth_set_ctrl(method, &BioControl);
  return method;
}

int TlsTransport::Connection::BioRead(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  Received& received = static_cast<Connection*>(BIO_get_data(bio))->received_;
  if (received.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::string_view bytes = received.View().substr(0, static_cast<std::size_t>(size));
  std::memcpy(out, bytes.data(), bytes.size());
  received.Consume(bytes.size());
  return static_cast<int>(bytes.size());
}

int TlsTransport::Connection::BioWrite(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  static_cast<Connection*>(BIO_get_data(bio))
      ->unsent_.append(bytes, static_cast<std::size_t>(size));
  return size;
}

long TlsTransport::Connection::BioControl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

TlsListener::TlsListener(std::unique_ptr<TlsContext> the_context, HandshakeTurns* the_turns,
                         Metrics& metrics, Logger the_logger)
    : context(std::move(the_context)),
      turns(the_turns),
      failed_handshakes(metrics.GetCounter(
          "belfry_tls_handshakes_failed_total",
          "TLS handshakes that a client has begun and that did not lead to a connection.")),
      logger(std::move(the_logger)) {}

TlsTransport::TlsTransport(std::unique_ptr<Transport> below, TlsListener* listener)
    : connection_(std::make_shared<Connection>(std::move(below), listener)) {}

TlsTransport::~TlsTransport() {
  connection_->Close();
}

Strand TlsTransport::strand() {
  return connection_->below().strand();
}

std::string TlsTransport::PeerAddress() const {
  return connection_->below().PeerAddress();
}

void TlsTransport::ReadSome(asio::mutable_buffer buffer, ReadHandler done) {
  connection_->ReadSome(buffer, std::move(done));
}

std::optional<std::size_t> TlsTransport::WriteSome(std::span<const iovec> pieces) {
  return connection_->WriteSome(pieces);
}

void TlsTransport::AwaitWritable(WaitHandler done) {
  connection_->AwaitWritable(std::move(done));
}

void TlsTransport::LimitUnsent(std::size_t bytes) {
  connection_->below().LimitUnsent(bytes - std::min(bytes / 2, kMaxBatchBytes));
}

void TlsTransport::ShutdownSend() {
  connection_->ShutdownSend();
}

void TlsTransport::Close() {
  connection_->Close();
}

}  // namespace belfry::http
