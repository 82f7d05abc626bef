#include "cli/websocket.h"

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <chrono>
#include <optional>

#include "cli/client_stream.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

// What every handshake carries beside WebSocket's own headers.
auto Headers(const Connection& connection) {
  return [token = connection.token,
          name_space = connection.name_space](websocket::request_type& request) {
    request.set(http::field::user_agent, "belfry");
    request.set("X-Vault-Request", "true");
    // Sent even when it is empty, as Vault's clients do.
    request.set("X-Vault-Namespace", name_space);
    if (!token.empty()) request.set("X-Vault-Token", token);
  };
}

class BeastWebSocket final : public WebSocket {
 public:
  BeastWebSocket(Connection connection, const WebSocketLimits& limits)
      : connection_(std::move(connection)), limits_(limits) {}
  ~BeastWebSocket() override { EndRead(); }

  // OK, or what to tell the user; a refusal fills in `refusal` and is OK too.
  absl::Status Connect(std::string_view target, std::optional<Refusal>* refusal) {
    if (absl::Status status = stream_.next_layer().Connect(limits_.handshake); !status.ok())
      return status;
    beast::get_lowest_layer(stream_).expires_never();
    // Half of the idle timeout passes in silence: Beast pings. The other half, too: it gives up.
    stream_.set_option(websocket::stream_base::timeout{
        absl::ToChronoNanoseconds(limits_.handshake),
        2 * absl::ToChronoNanoseconds(limits_.ping_after), /*keep_alive_pings=*/true});
    stream_.set_option(websocket::stream_base::decorator(Headers(connection_)));
    websocket::response_type response;
    std::optional<beast::error_code> error;
    stream_.async_handshake(response, connection_.Authority(), std::string(target),
                            [&error](auto result) { error = result; });
    RunUntil(error);
    if (!*error) return absl::OkStatus();
    if (*error == beast::error::timeout) return TimedOut(connection_, limits_.handshake);
    if (*error != websocket::error::upgrade_declined)
      return stream_.next_layer().Unanswered(*error);
    *refusal = Refusal{.status = static_cast<int>(response.result_int()),
                       .location = std::string(response[http::field::location]),
                       .body = response.body()};
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Next(int stop_when_closed) override {
    WatchReader(stop_when_closed);
    StartRead();
    context_.restart();
    while (!read_ && !reader_is_gone_) context_.run_one();
    if (!read_) {
      EndRead();
      return absl::CancelledError("nobody reads the output any more");
    }
    reading_ = false;
    if (*read_) return EndOfStream(*read_);
    std::string message = beast::buffers_to_string(buffer_.data());
    buffer_.clear();
    return message;
  }

  bool Ready() override {
    StartRead();
    context_.restart();
    context_.poll();
    return read_ && !*read_;
  }

 private:
  // Starts to read the next message, unless that has been done: read_ is then what became of it.
  void StartRead() {
    if (reading_) return;
    reading_ = true;
    read_.reset();
    stream_.async_read(buffer_, [this](auto result, auto) { read_ = result; });
  }

  // A read has to end before its buffer does.
  void EndRead() {
    if (!reading_ || read_) return;
    beast::get_lowest_layer(stream_).close();
    RunUntil(read_);
  }

  absl::Status EndOfStream(const beast::error_code& error) const {
    if (error == beast::error::timeout) {
      return absl::DeadlineExceededError(
          Concat("the server at ", connection_.Authority(), " is lost: it has sent nothing for ",
                 absl::FormatDuration(2 * limits_.ping_after), " and answers no ping"));
    }
    if (error != websocket::error::closed) {
      return absl::UnavailableError(Concat("the connection to the server at ",
                                           connection_.Authority(), " broke: ", error.message()));
    }
    const websocket::close_reason& why = stream_.reason();
    return absl::OutOfRangeError(Concat("the server closed the stream with ", why.code,
                                        why.reason.empty() ? "" : ": ",
                                        std::string(why.reason.c_str())));
  }

  // Not until there is nothing left to do: after a refusal the stream's timer still runs.
  void RunUntil(const std::optional<beast::error_code>& result) {
    context_.restart();
    while (!result) context_.run_one();
  }

  // Starts, once, to wait for the moment at which nobody reads from our output.
  void WatchReader(int descriptor) {
    if (descriptor < 0 || output_) return;
    output_.emplace(context_, ::dup(descriptor));
    output_->async_wait(asio::posix::stream_descriptor::wait_error,
                        [this](beast::error_code error) {
                          if (!error) reader_is_gone_ = true;
                        });
  }

  const Connection connection_;
  const WebSocketLimits limits_;
  asio::io_context context_;
  websocket::stream<ClientStream> stream_{context_, connection_};
  std::optional<asio::posix::stream_descriptor> output_;
  bool reader_is_gone_ = false;
  beast::flat_buffer buffer_;
  bool reading_ = false;  // A read is under way, or has ended and read_ says how.
  std::optional<beast::error_code> read_;
};

}  // namespace

absl::StatusOr<std::variant<std::unique_ptr<WebSocket>, WebSocket::Refusal>> WebSocket::Open(
    const Connection& connection, std::string_view target, const WebSocketLimits& limits) {
  using Opened = std::variant<std::unique_ptr<WebSocket>, Refusal>;
  auto socket = std::make_unique<BeastWebSocket>(connection, limits);
  std::optional<Refusal> refusal;
  if (absl::Status status = socket->Connect(target, &refusal); !status.ok()) return status;
  if (refusal) return Opened(*std::move(refusal));
  return Opened(std::move(socket));
}

}  // namespace belfry::cli
