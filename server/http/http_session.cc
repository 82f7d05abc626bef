#include "server/http/http_session.h"

#include <algorithm>
#include <bit>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/text.h"
#include "server/api/render.h"
#include "server/api/subscribe_endpoint.h"
#include "server/http/gather.h"
#include "server/http/http_date.h"
#include "server/http/request_target.h"
#include "server/http/websocket_handshake.h"
#include "server/http/websocket_session.h"

namespace belfry::http {
namespace {

namespace beast = boost::beast;
using boost::system::error_code;
using HttpError = beast::http::error;

// An engine is given its deadline; this is for one that does not keep it.
constexpr absl::Duration kAnswerGrace = absl::Seconds(5);
constexpr std::size_t kReadSize = 4096;
constexpr std::size_t kMaxReadSize = 64 * 1024;
constexpr std::size_t kMaxAnswerField = 32 * 1024;
constexpr std::size_t kMaxIdleBuffer = 16 * 1024;
// Of each connection, what is held without being counted, so that small requests always fit.
constexpr std::size_t kUncountedBytes = 16 * 1024;
// The same of answers.
constexpr std::size_t kUncountedAnswerBytes = 64 * 1024;
// What a value of a JSON body takes up at the least wherever it is read.
constexpr std::size_t kBytesPerValue = 256;
constexpr std::size_t kMaxDiscardedBytes = 64 * 1024 * 1024;
constexpr std::string_view kTooManyConnections = "too many connections; try again later";
constexpr std::string_view kTooManyBytes =
    "the server holds too many large requests; try again later";
constexpr std::string_view kTooManyAnswers =
    "too many large answers wait for their clients; try again later";
constexpr std::string_view kTooManySubscriptions =
    "too many subscriptions are open on this server; try again later";
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// What the API is not asked about. The texts are ours and need no escapes.
api::HttpResponse PlainError(int status, std::string_view text) {
  api::HttpResponse response =
      api::TextResponse(status, "application/json", Concat({R"({"errors":[")", text, "\"]}\n"}));
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

std::size_t CountOf(const api::HttpRequest& request, std::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(
      request.headers, [name](const auto& header) { return beast::iequals(header.first, name); }));
}

// What such pairs take up: many short ones far more than their bytes.
std::size_t SizeOf(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::size_t size = 0;
  for (const auto& pair : pairs) size += sizeof pair + pair.first.size() + pair.second.size();
  return size;
}

// Beside its bytes: values are separated by commas, and more than so many are refused.
std::size_t WeightOfValues(std::string_view body) {
  const auto commas = static_cast<std::size_t>(std::ranges::count(body, ','));
  return kBytesPerValue * std::min(commas, api::kMaxJsonValues);
}

std::size_t HeaderSize(const api::HttpRequest& request) {
  return request.target.size() + request.path.size() + SizeOf(request.query) +
         SizeOf(request.headers);
}

using ResponseHead = beast::http::response<beast::http::empty_body>;

// As it goes out, with the empty line at its end.
std::string Serialize(const ResponseHead& response) {
  std::string head;
  head.reserve(512);  // Most are shorter.
  head += response.version() >= 11 ? "HTTP/1.1 " : "HTTP/1.0 ";
  head += std::to_string(response.result_int());
  head += ' ';
  head += response.reason();
  head += "\r\n";
  for (const auto& field : response) {
    head += field.name_string();
    head += ": ";
    head += field.value();
    head += "\r\n";
  }
  head += "\r\n";
  return head;
}

}  // namespace

HttpSession::HttpSession(SessionContext* context, std::unique_ptr<Transport> transport,
                         const ListenOptions& listener, Connections::Stay stay)
    : context_(context),
      open_metrics_(listener.open_metrics),
      mailbox_(std::make_shared<Mailbox>(transport->strand())),
      registration_(context->connections.Add(mailbox_, stay)),
      transport_(std::move(transport)),
      deadline_(transport_->strand(), context->clock, context->scheduler),
      buffer_(context->limits.max_request_header_bytes + 2 * kReadSize),
      answer_deadline_(transport_->strand(), context->clock, context->scheduler) {
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
  remote_address_ = transport_->PeerAddress();
  deadline_.OnExpiry(weak_from_this(), [this] { End(); });
  answer_deadline_.OnExpiry(weak_from_this(), [this] { OnAnswerLate(); });
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
  header_bytes_ = 0;
  value_bytes_ = 0;
  authorized_ = false;
  held_ = ByteBudget::Lease(context_->unauthorized_bytes);
  if (buffer_.size() > 0) {
    ReadHeader();
    return;
  }
  // What it has asked last is not kept while it waits; what is freed is overwritten.
  buffer_.shrink_to_fit();
  deadline_.SetAfter(context_->timeouts.idle);
  Read(kReadSize);
}

void HttpSession::ReadHeader() {
  idle_ = false;
  deadline_.SetAfter(context_->timeouts.header);
  parser_->eager(false);
  Parse();
}

void HttpSession::ReadBody() {
  deadline_.SetAfter(context_->timeouts.body);
  parser_->eager(true);
  Parse();
}

void HttpSession::Read(std::size_t max_bytes) {
  transport_->ReadSome(buffer_.prepare(max_bytes),
                       [self = shared_from_this()](error_code error, std::size_t size) {
                         self->OnRead(error, size);
                       });
}

void HttpSession::OnRead(error_code error, std::size_t size) {
  // The client has gone, or was too slow.
  if (error || ended_) {
    End();
    return;
  }
  buffer_.commit(size);
  if (idle_) {
    ReadHeader();
  } else {
    Parse();
  }
}

void HttpSession::Parse() {
  const bool header_done = parser_->is_header_done();
  while (header_done ? !parser_->is_done() : !parser_->is_header_done()) {
    error_code error = HttpError::need_more;
    if (buffer_.size() > 0) buffer_.consume(parser_->put(buffer_.data(), error));
    if (error == HttpError::need_more) {
      ReadMore();
      return;
    }
    if (error == HttpError::need_buffer) {
      if (RefuseEarly()) return;
    } else if (error) {
      OnParseError(error);
      return;
    }
  }
  if (header_done) {
    OnRequest();
  } else {
    OnHeader();
  }
}

void HttpSession::ReadMore() {
  if (!HoldRequest()) return;
  const std::size_t size = NextReadSize();
  if (size > 0) {
    Read(size);
  } else {
    OnParseError(HttpError::header_limit);
  }
}

// As much as has come already, within bounds: a client that owes its body is not given much room.
std::size_t HttpSession::NextReadSize() const {
  const std::size_t received = buffer_.size() + parser_->request().body.size();
  return std::min(std::clamp(received, kReadSize, kMaxReadSize),
                  buffer_.max_size() - buffer_.size());
}

bool HttpSession::HoldRequest() {
  const std::size_t bytes =
      buffer_.size() + header_bytes_ + parser_->request().body.size() + value_bytes_;
  const std::size_t counted = bytes - std::min(bytes, kUncountedBytes);
  if (held_.Resize(counted)) return true;
  // There may still be room for those whose token may use it.
  if (!authorized_ && parser_->is_header_done()) {
    if (RefuseEarly()) return false;
    if (held_.Resize(counted)) return true;
  }
  context_->requests_refused.Increment();
  Refuse(503, kTooManyBytes);
  return false;
}

void HttpSession::TrimBuffer() {
  if (buffer_.capacity() > kMaxIdleBuffer && buffer_.size() <= buffer_.capacity() / 2) {
    buffer_.shrink_to_fit();
  }
}

void HttpSession::OnParseError(error_code error) {
  if (error == HttpError::header_limit) {
    Refuse(431, "request header fields too large");
  } else if (error == HttpError::body_limit) {
    Refuse(413, "request body too large");
  } else if (parser_->status_of_error() == 501) {
    Refuse(501, "the only transfer encoding that is supported is chunked");
  } else {
    Refuse(400, "malformed HTTP request: " + error.message());
  }
}

void HttpSession::OnHeader() {
  api::HttpRequest& request = parser_->request();
  version_ = request.version;
  head_ = request.method == "HEAD";
  // Before trailers could say something about it.
  keep_alive_ = keep_alive_ && parser_->keep_alive();
  if (HasTooManyParameters(parser_->target())) {
    Refuse(400, "a request may have 1000 query parameters");
    return;
  }
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
  request.open_metrics = open_metrics_;
  header_bytes_ = HeaderSize(request);
  TrimBuffer();
  if (!HoldRequest()) return;
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
  if (parser_->upgrade() && AsksForWebSocket(request)) {
    Refuse(400, "a WebSocket upgrade must not have a body");
    return;
  }
  const bool expects_continue =
      version_ >= 11 && beast::iequals(request.Header("Expect"), "100-continue");
  const bool is_large = parser_->promised_body() > api::kMaxUnaskedBodyBytes;
  if ((is_large || expects_continue) && (RefuseEarly() || !HoldRequest())) return;
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
  if (!authorized_) held_ = ByteBudget::Lease(context_->authorized_bytes);
  authorized_ = true;
  // Asked again when it has doubled, so that chunks of a byte do not ask a million times.
  parser_->AllowBody(std::max(std::bit_ceil(promised), api::kMaxUnaskedBodyBytes));
  return false;
}

void HttpSession::SendContinue() {
  Send(std::string(kContinue), "", &HttpSession::ReadBody);
}

void HttpSession::OnRequest() {
  TrimBuffer();
  value_bytes_ = WeightOfValues(parser_->request().body);
  if (!HoldRequest()) return;
  SetBusy();
  deadline_.Clear();
  api::HttpRequest request = std::move(parser_->request());
  parser_.reset();
  Ask(std::move(request));
}

std::uint64_t HttpSession::AwaitAnswer() {
  answering_self_ = shared_from_this();
  answer_deadline_.SetAfter(context_->limits.max_request_duration + kAnswerGrace);
  return ++request_;
}

// The caller holds the session by other means.
void HttpSession::StopAwaiting() {
  answering_self_.reset();
  answer_deadline_.Clear();
}

void HttpSession::OnAnswerLate() {
  // Of what has begun to be sent nothing else can be said.
  if (stream_ != nullptr) return End();
  OnOutcome(request_, PlainError(504, "the request took too long"), {});
}

// Whether the answer to this request is still awaited.
bool HttpSession::TakeAnswer(std::uint64_t request) {
  if (answering_self_ == nullptr || request != request_) return false;
  StopAwaiting();
  return true;
}

void HttpSession::Ask(api::HttpRequest request) {
  if (api::IsSubscribePath(request.path)) {
    upgrade_ = PrepareUpgrade(request);
    request.subscriber = upgrade_.queue;
  }
  const std::uint64_t number = AwaitAnswer();
  // What is held goes with the request: the engine has it also when its client has gone. The answer
  // is held from here on: answers come faster than a strand can write them.
  context_->api->Handle(
      std::move(request),
      [weak = weak_from_this(), mailbox = mailbox_, number, held = std::move(held_),
       waiting = ByteBudget::Lease(context_->answer_bytes)](api::Outcome outcome) mutable {
        held = {};
        const bool fits = HoldAnswer(outcome, waiting);
        mailbox->Post([weak, number, fits, outcome = std::move(outcome),
                       waiting = std::move(waiting)]() mutable {
          const std::shared_ptr<HttpSession> self = weak.lock();
          if (self == nullptr) return;
          if (!fits) self->context_->requests_refused.Increment();
          self->OnOutcome(number, std::move(outcome), std::move(waiting));
        });
      });
}

// On any thread, perhaps when the server has ended. False: it does not fit, and has become a 503.
bool HttpSession::HoldAnswer(api::Outcome& outcome, ByteBudget::Lease& waiting) {
  auto* const answer = std::get_if<api::HttpResponse>(&outcome);
  if (answer == nullptr || answer->body.size() <= kUncountedAnswerBytes) return true;
  if (waiting.Resize(answer->body.size())) return true;
  *answer = PlainError(503, kTooManyAnswers);
  return false;
}

void HttpSession::OnOutcome(std::uint64_t request, api::Outcome outcome,
                            ByteBudget::Lease waiting) {
  if (!TakeAnswer(request)) return;
  waiting_ = std::move(waiting);
  Upgrade upgrade = std::exchange(upgrade_, {});
  auto* const opened = std::get_if<subscriptions::OpenedSubscription>(&outcome);
  if (opened != nullptr && !evicted_) {
    SwitchProtocols(std::move(upgrade), std::move(*opened));
    return;
  }
  if (upgrade.queue != nullptr) registration_->StopHolding();
  if (opened != nullptr) {
    // Evicted when its request was just complete: it may be answered, but not stay.
    Refuse(503, kTooManyConnections);
  } else if (auto* answer = std::get_if<api::HttpResponse>(&outcome)) {
    Write(std::move(*answer));
  } else {
    Write(std::move(upgrade.refusal));
  }
}

HttpSession::Upgrade HttpSession::PrepareUpgrade(const api::HttpRequest& request) {
  if (auto refusal = RefuseHandshake(request)) return {.refusal = *std::move(refusal)};
  if (!registration_->TryHold()) return {.refusal = PlainError(503, kTooManySubscriptions)};
  return {.queue = std::make_shared<OutgoingQueue>(context_->limits.max_queued_frames,
                                                   context_->limits.max_queued_bytes),
          .head = SwitchingProtocols(request, context_->clock->Now())};
}

void HttpSession::SwitchProtocols(Upgrade upgrade, subscriptions::OpenedSubscription opened) {
  WebSocketSession::Parts parts{std::move(transport_),    mailbox_,
                                std::move(registration_), std::move(upgrade.queue),
                                std::move(opened),        remote_address_};
  const auto received = buffer_.cdata();
  std::make_shared<WebSocketSession>(context_, std::move(parts))
      ->Start(std::move(upgrade.head),
              {static_cast<const char*>(received.data()), received.size()});
}

void HttpSession::Refuse(int status, std::string_view text) {
  AnswerAndLeave(PlainError(status, text));
}

void HttpSession::AnswerAndLeave(api::HttpResponse answer) {
  keep_alive_ = false;
  parser_.reset();
  held_ = {};
  buffer_.clear();
  TrimBuffer();
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
  if (answer.stream != nullptr && version_ < 11) {
    // Where the end of the connection is the end of the body, a part of it looks like the whole.
    answer = PlainError(505, "this answer is of unknown length and needs HTTP/1.1");
  }
  ResponseHead head;
  head.version(version_);
  head.result(static_cast<unsigned>(answer.status));
  for (const auto& [name, value] : answer.headers) head.insert(name, value);
  head.set(beast::http::field::date, HttpDate(context_->clock->Now()));
  head.keep_alive(keep_alive_);
  const bool bodiless = answer.status == 204 || answer.status == 304;
  if (answer.stream != nullptr) {
    head.chunked(true);
    if (!head_) stream_ = std::move(answer.stream);
  } else if (!bodiless) {
    head.content_length(answer.body.size());
  }
  if (bodiless || head_) answer.body.clear();
  Send(Serialize(head), std::move(answer.body),
       stream_ == nullptr ? &HttpSession::OnAnswerSent : &HttpSession::AskForPiece);
}

void HttpSession::AskForPiece() {
  SetBusy();
  deadline_.Clear();
  stream_->Next([weak = weak_from_this(), mailbox = mailbox_,
                 number = AwaitAnswer()](absl::StatusOr<std::string> piece) mutable {
    mailbox->Post([weak, number, piece = std::move(piece)]() mutable {
      if (const auto self = weak.lock()) self->OnPiece(number, std::move(piece));
    });
  });
}

void HttpSession::OnPiece(std::uint64_t request, absl::StatusOr<std::string> piece) {
  if (!TakeAnswer(request)) return;
  // Without its end the client does not take the body for whole.
  if (!piece.ok()) return End();
  if (!piece->empty()) {
    std::string size = absl::StrCat(absl::Hex(piece->size()), "\r\n");
    piece->append("\r\n");
    return Send(std::move(size), *std::move(piece), &HttpSession::AskForPiece);
  }
  stream_.reset();
  Send("0\r\n\r\n", "", &HttpSession::OnAnswerSent);
}

void HttpSession::OnAnswerSent() {
  waiting_.Release();
  if (keep_alive_) {
    ReadNext();
  } else {
    Leave();
  }
}

void HttpSession::Send(std::string head, std::string body, Step then) {
  outgoing_ = {std::move(head), std::move(body)};
  deadline_.SetAfter(context_->timeouts.write);
  SendMore(then);
}

void HttpSession::SendMore(Step then) {
  Gather<2> gather(outgoing_.sent);
  gather.Add(outgoing_.head);
  gather.Add(outgoing_.body);
  const std::optional<std::size_t> sent = transport_->WriteSome(gather.pieces());
  if (!sent) {
    End();
    return;
  }
  outgoing_.sent += *sent;
  if (outgoing_.sent == outgoing_.head.size() + outgoing_.body.size()) {
    // Moved away: an assignment alone keeps the memory, and the answer in it.
    static_cast<void>(std::exchange(outgoing_, {}));
    (this->*then)();
    return;
  }
  // One that does not read its answers waits for its client, too; but what was streamed to a client
  // that takes it would be lost.
  if (stream_ == nullptr) SetIdle();
  transport_->AwaitWritable([self = shared_from_this(), then](error_code error) {
    if (error || self->ended_) {
      self->End();
    } else {
      self->SendMore(then);
    }
  });
}

void HttpSession::Leave() {
  transport_->ShutdownSend();
  SetIdle();
  leave_by_ = context_->clock->Steady() + context_->timeouts.body;
  buffer_.clear();
  buffer_.shrink_to_fit();
  AwaitClientsEnd();
}

// Closing a socket that has unread bytes would take the answer back from the client. One that is
// still sending a body is given as long as for any other body.
void HttpSession::AwaitClientsEnd() {
  deadline_.SetAt(std::min(context_->clock->Steady() + context_->timeouts.leave, leave_by_));
  const std::size_t size = std::clamp(discarded_bytes_, kReadSize, kMaxReadSize);
  transport_->ReadSome(buffer_.prepare(std::min(size, buffer_.max_size())),
                       [self = shared_from_this()](error_code error, std::size_t size) {
                         self->OnDiscarded(error, size);
                       });
}

void HttpSession::OnDiscarded(error_code error, std::size_t size) {
  discarded_bytes_ += size;
  if (error || ended_ || discarded_bytes_ > kMaxDiscardedBytes) {
    End();
  } else {
    AwaitClientsEnd();
  }
}

void HttpSession::ShutDown() {
  const bool asked_before = std::exchange(shutting_down_, true);
  keep_alive_ = false;
  if (idle_ || asked_before) End();
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
  ended_ = true;
  StopAwaiting();
  deadline_.Clear();
  stream_.reset();
  waiting_.Release();
  transport_->Close();
}

}  // namespace belfry::http
