#include "server/http/http_session.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <bit>
#include <boost/asio/write.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <chrono>
#include <utility>
#include <variant>

#include "absl/time/time.h"
#include "server/http/http_date.h"
#include "server/http/outgoing_queue.h"
#include "server/http/request_target.h"
#include "server/http/websocket_frames.h"
#include "server/http/websocket_session.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using TcpUserTimeout = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_USER_TIMEOUT>;

constexpr std::chrono::minutes kIdleTimeout{5};
constexpr std::chrono::seconds kHeaderTimeout{30};
constexpr std::chrono::seconds kBodyTimeout{90};
constexpr std::chrono::seconds kWriteTimeout{60};
constexpr std::chrono::seconds kLeaveTimeout{2};
// An engine is given its deadline; this is for one that does not keep it.
constexpr std::chrono::seconds kAnswerGrace{5};
constexpr std::size_t kReadSize = 4096;
constexpr std::size_t kMaxAnswerField = 32 * 1024;
constexpr std::size_t kDiscardSize = 64 * 1024;
constexpr std::size_t kMaxIdleBuffer = 16 * 1024;
constexpr std::size_t kMaxDiscardedBytes = 64 * 1024 * 1024;
constexpr std::string_view kTooManyConnections = "too many connections; try again later";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// As the API's own answers have them.
api::HttpResponse PlainError(int status, std::string_view text) {
  api::HttpResponse response;
  response.status = status;
  response.headers = {{"Cache-Control", "no-store"},
                      {"Content-Type", "application/json"},
                      {"Strict-Transport-Security", "max-age=31536000; includeSubDomains"}};
  // The texts are ours and need no escapes.
  response.body = R"({"errors":[")";
  response.body += text;
  response.body += "\"]}\n";
  return response;
}

std::size_t CountOf(const api::HttpRequest& request, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(
      request.headers, [name](const auto& header) { return beast::iequals(header.first, name); }));
}

std::string SwitchingProtocols(const api::HttpRequest& request, absl::Time now) {
  std::string head =
      "HTTP/1.1 101 Switching Protocols\r\nCache-Control: no-store\r\nConnection: Upgrade\r\n"
      "Date: ";
  head += HttpDate(now);
  head += "\r\nSec-WebSocket-Accept: ";
  std::string_view key = request.Header("Sec-WebSocket-Key");
  head += AcceptKey(key);
  head +=
      "\r\nStrict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
      "Upgrade: websocket\r\n\r\n";
  return head;
}

}  // namespace

HttpSession::HttpSession(SessionContext* context, Socket socket, Connections::Stay stay)
    : context_(context),
      mailbox_(std::make_shared<Mailbox>(socket.get_executor())),
      registration_(context->connections.Add(mailbox_, stay)),
      stream_(std::move(socket)),
      buffer_(context->limits.max_request_header_bytes + 2 * kReadSize),
      answer_timer_(stream_.get_executor()) {
  context_->http_connections.Add(1);
}

HttpSession::~HttpSession() {
  // Once the connection is a WebSocket's, so is the mailbox.
  if (registration_ != nullptr) mailbox_->Close();
  context_->http_connections.Add(-1);
}

void HttpSession::Start() {
  SetUp();
  ReadNext();
}

void HttpSession::StartRefused() {
  SetUp();
  idle_ = false;
  Refuse(503, kTooManyConnections);
}

void HttpSession::SetUp() {
  error_code error;
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), error);
  // What a vanished peer does not take ends the connection, however much the kernel would buffer.
  const auto give_up = 2 * absl::ToInt64Milliseconds(context_->limits.ping_interval);
  stream_.socket().set_option(TcpUserTimeout(static_cast<int>(give_up)), error);
  const auto peer = stream_.socket().remote_endpoint(error);
  if (!error) remote_address_ = peer.address().to_string();
  registration_->OnShutdown([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->ShutDown();
  });
  registration_->OnEviction([weak = weak_from_this()] {
    if (auto self = weak.lock()) self->MakeRoom();
  });
}

void HttpSession::ReadNext() {
  idle_ = true;
  SetIdle();
  // For an answer to what turns out to be no request.
  head_ = false;
  version_ = 11;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(context_->limits.max_request_header_bytes));
  parser_->body_limit(context_->limits.max_request_body_bytes);
  parser_->AllowBody(api::kMaxUnaskedBodyBytes);
  if (buffer_.size() > 0) {
    ReadHeader();
    return;
  }
  // What an idle connection has kept of a large request goes now.
  if (buffer_.capacity() > kMaxIdleBuffer) buffer_.shrink_to_fit();
  stream_.expires_after(kIdleTimeout);
  stream_.async_read_some(buffer_.prepare(kReadSize),
                          [self = shared_from_this()](error_code error, std::size_t size) {
                            if (error) {
                              self->End();
                              return;
                            }
                            self->buffer_.commit(size);
                            self->ReadHeader();
                          });
}

void HttpSession::ReadHeader() {
  idle_ = false;
  stream_.expires_after(kHeaderTimeout);
  beast::http::async_read_header(stream_, buffer_, *parser_,
                                 [self = shared_from_this()](error_code error, std::size_t) {
                                   if (error) {
                                     self->OnReadError(error);
                                   } else {
                                     self->OnHeader();
                                   }
                                 });
}

void HttpSession::OnHeader() {
  api::HttpRequest& request = parser_->request();
  version_ = request.version;
  head_ = request.method == "HEAD";
  // Before trailers could say something about it.
  keep_alive_ = keep_alive_ && parser_->keep_alive();
  std::optional<RequestTarget> target = ParseRequestTarget(parser_->target());
  if (!target) {
    Refuse(400, "malformed request target");
    return;
  }
  const std::size_t hosts = CountOf(request, "Host");
  if (hosts > 1 || (hosts == 0 && version_ >= 11)) {
    Refuse(400, "a request needs one Host header");
    return;
  }
  request.target = std::move(target->as_written);
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  request.remote_address = remote_address_;
  if (parser_->is_done()) {
    OnRequest();
  } else {
    OnBodyPromised();
  }
}

void HttpSession::OnBodyPromised() {
  // A client that has just begun is not the one that has been idle longest.
  SetIdle();
  const api::HttpRequest& request = parser_->request();
  // What comes after the request would be frames to us, and a body to a proxy.
  if (parser_->upgrade() && context_->api->IsSubscribe(request)) {
    Refuse(400, "a WebSocket upgrade must not have a body");
    return;
  }
  const bool expects_continue =
      version_ >= 11 && beast::iequals(request.Header("Expect"), "100-continue");
  const bool is_large = parser_->promised_body() > api::kMaxUnaskedBodyBytes;
  if ((is_large || expects_continue) && RefuseEarly()) return;
  if (expects_continue) {
    SendContinue();
  } else {
    ReadBody();
  }
}

bool HttpSession::RefuseEarly() {
  const std::uint64_t promised = parser_->promised_body();
  std::optional<api::HttpResponse> answer =
      context_->api->RefuseEarly(parser_->request(), promised);
  if (answer) {
    AnswerAndLeave(*std::move(answer));
    return true;
  }
  // Asked again when it has doubled, so that chunks of a byte do not ask a million times.
  parser_->AllowBody(std::max(std::bit_ceil(promised), api::kMaxUnaskedBodyBytes));
  return false;
}

void HttpSession::SendContinue() {
  stream_.expires_after(kWriteTimeout);
  asio::async_write(stream_, asio::buffer(kContinue),
                    [self = shared_from_this()](error_code error, std::size_t) {
                      if (error) {
                        self->End();
                      } else {
                        self->ReadBody();
                      }
                    });
}

void HttpSession::ReadBody() {
  stream_.expires_after(kBodyTimeout);
  ReadMoreOfBody();
}

void HttpSession::ReadMoreOfBody() {
  beast::http::async_read(stream_, buffer_, *parser_,
                          [self = shared_from_this()](error_code error, std::size_t) {
                            if (error == beast::http::error::need_buffer) {
                              if (!self->RefuseEarly()) self->ReadMoreOfBody();
                            } else if (error) {
                              self->OnReadError(error);
                            } else {
                              self->OnRequest();
                            }
                          });
}

void HttpSession::OnReadError(error_code error) {
  using HttpError = beast::http::error;
  if (error == HttpError::header_limit || error == HttpError::buffer_overflow) {
    Refuse(431, "request header fields too large");
  } else if (error == HttpError::body_limit) {
    Refuse(413, "request body too large");
  } else if (error == HttpError::end_of_stream || error == HttpError::partial_message ||
             error.category() != make_error_code(HttpError::bad_target).category()) {
    // The client has gone, or is too slow to be told so.
    End();
  } else if (parser_->status_of_error() == 501) {
    Refuse(501, "the only transfer encoding that is supported is chunked");
  } else {
    Refuse(400, "malformed HTTP request: " + error.message());
  }
}

void HttpSession::OnRequest() {
  SetBusy();
  stream_.expires_never();
  api::HttpRequest request = std::move(parser_->request());
  parser_.reset();
  if (context_->api->IsSubscribe(request)) {
    OpenSubscription(std::move(request));
  } else {
    Ask(std::move(request));
  }
}

std::uint64_t HttpSession::AwaitAnswer() {
  answering_ = true;
  const std::uint64_t number = ++request_;
  // Keeps the session alive while nothing is read or written.
  answer_timer_.expires_after(absl::ToChronoNanoseconds(context_->limits.max_request_duration) +
                              kAnswerGrace);
  answer_timer_.async_wait([self = shared_from_this(), number](error_code error) {
    if (!error) self->OnAnswer(number, PlainError(504, "the request took too long"));
  });
  return number;
}

// Whether the answer to this request is still awaited.
bool HttpSession::TakeAnswer(std::uint64_t request) {
  if (!answering_ || request != request_) return false;
  answering_ = false;
  answer_timer_.cancel();
  return true;
}

void HttpSession::Ask(api::HttpRequest request) {
  const std::uint64_t number = AwaitAnswer();
  context_->api->Handle(std::move(request), [weak = weak_from_this(), mailbox = mailbox_,
                                             number](api::HttpResponse answer) {
    mailbox->Post([weak, number, answer = std::move(answer)]() mutable {
      if (auto self = weak.lock()) self->OnAnswer(number, std::move(answer));
    });
  });
}

void HttpSession::OnAnswer(std::uint64_t request, api::HttpResponse answer) {
  if (TakeAnswer(request)) Write(std::move(answer));
}

void HttpSession::OpenSubscription(api::HttpRequest request) {
  auto queue = std::make_shared<OutgoingQueue>(context_->limits.max_queued_frames,
                                               context_->limits.max_queued_bytes);
  const std::uint64_t number = AwaitAnswer();
  std::string head = SwitchingProtocols(request, context_->clock->Now());
  context_->api->Subscribe(
      std::move(request), queue,
      [weak = weak_from_this(), mailbox = mailbox_, number, queue,
       head = std::move(head)](api::SubscribeResult result) mutable {
        mailbox->Post([weak, number, queue = std::move(queue), head = std::move(head),
                       result = std::move(result)]() mutable {
          if (auto self = weak.lock()) {
            self->OnSubscribed(number, std::move(queue), std::move(head), std::move(result));
          }
        });
      });
}

void HttpSession::OnSubscribed(std::uint64_t request, std::shared_ptr<OutgoingQueue> queue,
                               std::string head, api::SubscribeResult result) {
  if (!TakeAnswer(request)) return;
  if (auto* refusal = std::get_if<api::HttpResponse>(&result)) {
    Write(std::move(*refusal));
    return;
  }
  // Evicted when its request was just complete: it may be answered, but not stay.
  if (evicted_) {
    Refuse(503, kTooManyConnections);
    return;
  }
  WebSocketSession::Parts parts{stream_.release_socket(), mailbox_, std::move(registration_),
                                std::move(queue),
                                std::move(std::get<api::OpenedSubscription>(result))};
  const auto received = buffer_.cdata();
  std::make_shared<WebSocketSession>(context_, std::move(parts))
      ->Start(std::move(head), {static_cast<const char*>(received.data()), received.size()});
}

void HttpSession::Refuse(int status, std::string_view text) {
  AnswerAndLeave(PlainError(status, text));
}

void HttpSession::AnswerAndLeave(api::HttpResponse answer) {
  keep_alive_ = false;
  parser_.reset();
  Write(std::move(answer));
}

void HttpSession::Write(api::HttpResponse answer) {
  if (!in_request_) SetBusy();
  // Beast's container throws at 64 KiB.
  if (std::ranges::any_of(answer.headers, [](const auto& header) {
        return header.first.size() + header.second.size() > kMaxAnswerField;
      })) {
    answer = PlainError(500, "the answer has a header field that is too long");
  }
  Response& response = response_.emplace();
  response.version(version_);
  response.result(static_cast<unsigned>(answer.status));
  for (const auto& [name, value] : answer.headers) response.insert(name, value);
  response.set(beast::http::field::date, HttpDate(context_->clock->Now()));
  response.keep_alive(keep_alive_);
  const bool bodiless = answer.status == 204 || answer.status == 304;
  if (!bodiless) response.content_length(answer.body.size());
  if (!bodiless && !head_) response.body() = std::move(answer.body);
  stream_.expires_after(kWriteTimeout);
  beast::http::async_write(stream_, response,
                           [self = shared_from_this()](error_code error, std::size_t) {
                             if (error) {
                               self->End();
                             } else {
                               self->OnWritten();
                             }
                           });
}

void HttpSession::OnWritten() {
  response_.reset();
  if (keep_alive_) {
    ReadNext();
  } else {
    Leave();
  }
}

void HttpSession::Leave() {
  error_code ignored;
  stream_.socket().shutdown(Socket::shutdown_send, ignored);
  SetIdle();
  leave_by_ = std::chrono::steady_clock::now() + kBodyTimeout;
  buffer_.clear();
  AwaitClientsEnd();
}

// Closing a socket that has unread bytes would take the answer back from the client. One that is
// still sending a body is given as long as for any other body.
void HttpSession::AwaitClientsEnd() {
  stream_.expires_at(std::min(std::chrono::steady_clock::now() + kLeaveTimeout, leave_by_));
  stream_.async_read_some(buffer_.prepare(std::min(kDiscardSize, buffer_.max_size())),
                          [self = shared_from_this()](error_code error, std::size_t size) {
                            self->discarded_bytes_ += size;
                            if (error || self->discarded_bytes_ > kMaxDiscardedBytes) {
                              self->End();
                            } else {
                              self->AwaitClientsEnd();
                            }
                          });
}

void HttpSession::ShutDown() {
  keep_alive_ = false;
  if (idle_) End();
}

void HttpSession::MakeRoom() {
  evicted_ = true;
  keep_alive_ = false;
  if (!in_request_) End();
}

void HttpSession::SetIdle() {
  in_request_ = false;
  registration_->SetIdle();
}

void HttpSession::SetBusy() {
  in_request_ = true;
  registration_->SetBusy();
}

void HttpSession::End() {
  answering_ = false;
  answer_timer_.cancel();
  stream_.close();
}

}  // namespace belfry::http
