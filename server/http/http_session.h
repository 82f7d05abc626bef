#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/api/api.h"
#include "server/api/body_stream.h"
#include "server/http/byte_budget.h"
#include "server/http/connections.h"
#include "server/http/deadline.h"
#include "server/http/listen_options.h"
#include "server/http/outgoing_queue.h"
#include "server/http/request_parser.h"
#include "server/http/session_context.h"
#include "server/http/transport.h"
#include "server/subscriptions/subscriber.h"

namespace belfry::http {

// One HTTP/1.1 connection: reads a request, has it answered, writes the answer, reads the next. A
// request that opens a subscription turns the connection into a WebSocketSession. Everything runs
// on the connection's strand; answers may come from any thread.
class HttpSession final : public std::enable_shared_from_this<HttpSession> {
 public:
  // `listener`: where it was accepted.
  HttpSession(SessionContext* context, std::unique_ptr<Transport> transport,
              const ListenOptions& listener, Connections::Stay stay);
  ~HttpSession();

  // To be called once, on the strand. The session lives until its connection ends.
  void Start();
  // Instead of Start: answers 503 without reading, and ends.
  void StartRefused();

 private:
  // What is being sent, and how much of it has been.
  struct Outgoing {
    std::string head;
    std::string body;
    std::size_t sent = 0;
  };
  // What becomes of the connection once the subscription that was asked for has been opened.
  struct Upgrade {
    // For what is offered to it; null: it has no subscriber. With a queue the connection holds a
    // place among those that stay.
    std::shared_ptr<OutgoingQueue> queue = nullptr;
    std::string head = {};           // The 101.
    api::HttpResponse refusal = {};  // Without a queue: what answers a request that may subscribe.
  };
  // What comes next.
  using Step = void (HttpSession::*)();

  void SetUp();
  void ReadNext();
  void ReadHeader();
  void ReadBody();
  void Read(std::size_t max_bytes);
  void OnRead(boost::system::error_code error, std::size_t size);
  // Parses what has been read up to the end of the header or, once the header has been parsed, of
  // the body; reads more where that does not reach.
  void Parse();
  void ReadMore();
  std::size_t NextReadSize() const;
  // Counts what there is of the request; false: there is no room for it, and it has been refused.
  bool HoldRequest();
  // Gives back what a large request has needed.
  void TrimBuffer();
  void OnParseError(boost::system::error_code error);
  void OnHeader();
  void OnBodyPromised();
  // Whether the request is answered although its body has not been read.
  bool RefuseEarly();
  void SendContinue();
  void OnRequest();
  void Ask(api::HttpRequest request);
  // The number of the request that is to be answered from now on.
  std::uint64_t AwaitAnswer();
  bool TakeAnswer(std::uint64_t request);
  void StopAwaiting();
  void OnAnswerLate();
  static bool HoldAnswer(api::Outcome& outcome, ByteBudget::Lease& waiting);
  void OnOutcome(std::uint64_t request, api::Outcome outcome, ByteBudget::Lease waiting);
  Upgrade PrepareUpgrade(const api::HttpRequest& request);
  void SwitchProtocols(Upgrade upgrade, subscriptions::OpenedSubscription opened);
  void Refuse(int status, std::string_view text);
  // Answers without the rest of the request, which may still be coming, and ends the connection.
  void AnswerAndLeave(api::HttpResponse answer);
  void Write(api::HttpResponse answer);
  // Sends the next piece of a body that comes in pieces.
  void AskForPiece();
  void OnPiece(std::uint64_t request, absl::StatusOr<std::string> piece);
  void OnAnswerSent();
  void Send(std::string head, std::string body, Step then);
  void SendMore(Step then);
  // Tells the client that nothing more comes, and gives it a moment to read what came.
  void Leave();
  void AwaitClientsEnd();
  void OnDiscarded(boost::system::error_code error, std::size_t size);
  void ShutDown();
  void MakeRoom();
  // From now on it may be ended for another connection; or not.
  void SetIdle();
  void SetBusy();
  void End();

  SessionContext* const context_;
  const bool open_metrics_;
  // Shared with whoever answers from another thread.
  const std::shared_ptr<Mailbox> mailbox_;
  // Before the transport, so that it goes after it.
  std::unique_ptr<Connections::Registration> registration_;
  std::unique_ptr<Transport> transport_;
  Deadline deadline_;  // Of what is being read or sent.
  std::string remote_address_;
  boost::beast::flat_buffer buffer_;
  std::optional<RequestParser> parser_;
  std::size_t header_bytes_ = 0;  // Of the request, once its header has been read.
  std::size_t value_bytes_ = 0;   // For what its body is read into, once that is there.
  // What the request takes up of one of the server's budgets until it has been answered.
  ByteBudget::Lease held_;
  // What an answer takes up until it has been sent.
  ByteBudget::Lease waiting_;
  bool authorized_ = false;  // Its token may use it, as far as can be said without its body.
  Upgrade upgrade_;          // Of a request for a subscription until it is answered.
  Outgoing outgoing_;
  std::shared_ptr<api::BodyStream> stream_;  // The body that is being sent, where it is one.
  Deadline answer_deadline_;
  // Itself while it awaits an answer: nothing else keeps it then.
  std::shared_ptr<HttpSession> answering_self_;

  // The request that is being answered has this number; an answer with another comes too late.
  std::uint64_t request_ = 0;
  bool idle_ = true;  // Between requests.
  // From the end of the request, or from its refusal, to the end of the answer.
  bool in_request_ = false;
  bool evicted_ = false;
  bool shutting_down_ = false;
  bool ended_ = false;
  bool keep_alive_ = true;
  bool head_ = false;  // The request's method was HEAD.
  unsigned version_ = 11;
  SteadyTime leave_by_;
  std::size_t discarded_bytes_ = 0;
};

}  // namespace belfry::http
