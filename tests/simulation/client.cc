#include "tests/simulation/client.h"

#include <utility>

#include "proto/vault/event.pb.h"
#include "server/journal/cursor.h"
#include "tests/simulation/text.h"

namespace belfry::simulation {
namespace {

// The event's id in what one that does not resume is sent, or in a delivery.
std::optional<std::string> IdOf(const SentFrame& frame, bool resumes) {
  if (resumes) {
    v1::Delivery delivery;
    if (!delivery.ParseFromString(frame.payload) || !delivery.has_event()) return std::nullopt;
    return delivery.event().event().id();
  }
  logical::EventReceived event;
  if (!event.ParseFromString(frame.payload)) return std::nullopt;
  return event.event().id();
}

}  // namespace

Client::Client(Options options, History* history, const Facts* facts, const Policies* policies)
    : options_(std::move(options)), history_(history), facts_(facts), policies_(policies) {}

void Client::Note(std::string_view what) {
  history_->Note(Text("client ", options_.number, ": ", what));
}

void Client::Violate(std::string_view what) {
  history_->Violate(Text("client ", options_.number, ": ", what));
}

// The work of those that resume is told apart by their tokens, see SeededExecutor.
std::string Client::ChooseToken() {
  if (options_.resumes) return Text("token ", options_.number, ".", ++tokens_);
  std::string token;
  for (std::uint64_t i = 1; token.empty() || policies_->IsRevoked(token); ++i)
    token = Text("token of group ", options_.interest.group, ".", i);
  return token;
}

void Client::Connect(Server& server) {
  if (connecting_ || connection_ != nullptr) return;
  connecting_ = true;
  connection_ = Open(server);
  connecting_ = false;
}

std::unique_ptr<Connection> Client::Open(Server& server) {
  token_ = ChooseToken();
  subscriptions::Query query;
  if (!options_.interest.operation.empty())
    query.emplace_back("filter", Text("operation == ", options_.interest.operation));
  const journal::Journal::Range kept = server.journal().Kept();
  if (!options_.resumes) {
    place_ = facts_->last();
    not_before_ = facts_->offered();
  } else if (cursor_) {
    query.emplace_back("after", *cursor_);
    const std::optional<journal::Cursor> cursor = journal::Cursor::Parse(*cursor_);
    place_ = std::nullopt;
    if (cursor->epoch == server.journal().epoch()) place_ = cursor->sequence;
  } else {
    query.emplace_back("after", options_.begins_at_earliest ? "earliest" : "latest");
    place_ = options_.begins_at_earliest ? kept.first - 1 : kept.last;
  }
  auto connection = std::make_unique<Connection>(&server.session_context(), options_.network_bytes);
  absl::StatusOr<subscriptions::OpenedSubscription> opened =
      server.Open({.identity = Policies::IdentityOf(options_.interest.group, token_),
                   .path = "sys/events/subscribe/",
                   .type_pattern = options_.interest.type,
                   .query = std::move(query)},
                  connection->queue());
  if (!opened.ok()) {
    Note(Text("refused: ", opened.status().message()));
    return nullptr;
  }
  Note(Text("connects", cursor_ && options_.resumes ? " behind " + *cursor_ : ""));
  connection->Serve(*std::move(opened));
  return connection;
}

void Client::Disconnect(std::string_view why) {
  if (connection_ == nullptr) return;
  Note(why);
  connection_->Break();
  while (connection_->RunOne({})) {
  }
  connection_ = nullptr;
}

bool Client::RunStrand() {
  if (connection_ == nullptr) return false;
  const bool ran = connection_->RunOne({.policy_version = policies_->acknowledged_version(),
                                        .revoked = policies_->IsRevoked(token_)});
  for (const SentFrame& frame : connection_->TakeSent()) OnSent(frame);
  return ran;
}

// What has left cannot be called back: this is where rights are checked.
void Client::OnSent(const SentFrame& frame) {
  if (frame.kind != SentFrame::Kind::kEvent) return;
  const std::optional<std::string> id = IdOf(frame, options_.resumes);
  if (!id) return;
  const Event* const event = facts_->Named(*id);
  if (event == nullptr) return Violate(Text("was sent the unknown event ", *id));
  if (event->sequence == 0) Violate(Text(*id, " was sent before it was stored"));
  if (frame.begun.revoked) Violate(Text(*id, " was sent after the revocation of the token"));
  if (!policies_->AllowedOnceSince(frame.begun.policy_version, options_.interest.group,
                                   Policies::FolderOf(event->path)))
    Violate(Text(*id, " was sent, which the policies forbid since version ",
                 frame.begun.policy_version));
}

bool Client::Read(const Server& server) {
  if (connection_ == nullptr) return false;
  if (!connection_->has_frames()) {
    if (connection_->closed()) Disconnect("is cut off");
    return false;
  }
  const SentFrame frame = connection_->TakeFrame();
  switch (frame.kind) {
    case SentFrame::Kind::kPing:
      connection_->AnswerPing(frame.payload);
      break;
    case SentFrame::Kind::kPong:
      break;
    case SentFrame::Kind::kClose:
      OnClose(frame.payload);
      break;
    case SentFrame::Kind::kEvent:
      if (options_.resumes) {
        v1::Delivery delivery;
        if (!delivery.ParseFromString(frame.payload)) Violate("a delivery cannot be read");
        OnDelivery(delivery, server);
      } else {
        OnEvent(IdOf(frame, false).value_or(""));
      }
      break;
  }
  return true;
}

void Client::OnEvent(std::string_view id) {
  const Event* const event = facts_->Named(id);
  if (event == nullptr) return Violate(Text("got the unknown event ", std::string(id)));
  if (event->sequence <= not_before_)
    return Violate(Text(event->id, " came twice or out of order"));
  if (event->sequence > *place_) CheckNothingIsMissing(event->sequence - 1);
  OnDelivered(id, event->sequence);
  not_before_ = event->sequence;
}

void Client::OnDelivered(std::string_view id, std::uint64_t sequence) {
  const Event* const event = facts_->At(sequence);
  if (event == nullptr || event->id != id)
    return Violate(Text("the cursor ", sequence, " came with ", std::string(id)));
  if (!event->IsFor(options_.interest)) return Violate(Text("did not ask for ", event->id));
  Note(Text("gets ", sequence, " ", event->id));
  place_ = std::max(place_.value_or(0), sequence);
}

void Client::OnDelivery(const v1::Delivery& delivery, const Server& server) {
  const std::optional<journal::Cursor> cursor = journal::Cursor::Parse(delivery.cursor());
  if (!cursor || cursor->epoch != server.journal().epoch())
    return Violate(Text("got the cursor ", delivery.cursor()));
  const std::uint64_t sequence = cursor->sequence;
  switch (delivery.kind_case()) {
    case v1::Delivery::kEvent:
      if (!place_) return Violate("was not told that its cursor is of another epoch");
      if (sequence <= *place_) return Violate(Text(sequence, " came twice or out of order"));
      CheckNothingIsMissing(sequence - 1);
      OnDelivered(delivery.event().event().id(), sequence);
      break;
    case v1::Delivery::kBookmark:
      if (!place_) return Violate("was not told that its cursor is of another epoch");
      OnBookmark(sequence);
      break;
    case v1::Delivery::kGap:
      OnGap(delivery.gap(), sequence, server);
      break;
    case v1::Delivery::KIND_NOT_SET:
      return Violate("a delivery is empty");
  }
  cursor_ = delivery.cursor();
}

void Client::OnBookmark(std::uint64_t sequence) {
  Note(Text("gets the bookmark ", sequence));
  if (sequence < *place_) return Violate(Text("the bookmark ", sequence, " lies behind"));
  if (sequence > facts_->last())
    return Violate(Text("the bookmark ", sequence, " lies behind the end"));
  CheckNothingIsMissing(sequence);
  place_ = sequence;
}

void Client::OnGap(const v1::Gap& gap, std::uint64_t sequence, const Server& server) {
  Note(Text("is told of a gap, ", gap.reason(), ", up to ", sequence));
  const std::optional<journal::Cursor> after = journal::Cursor::Parse(gap.after());
  if (!after) return Violate(Text("the gap begins at ", gap.after()));
  if (gap.reason() == "epoch") {
    if (place_ || after->epoch == server.journal().epoch())
      return Violate("the epoch is the same, and it is told of another one");
  } else if (gap.reason() != "expired" || !place_) {
    // Nothing is ever ahead: what was sent was stored.
    return Violate(Text("is told of a gap because of ", gap.reason()));
  } else {
    if (after->sequence < *place_)
      return Violate(Text("the gap begins at ", after->sequence, ", which it has passed"));
    CheckNothingIsMissing(after->sequence);
    if (sequence <= after->sequence) return Violate("is told of a gap in which there is nothing");
    if (sequence >= server.journal().Kept().first)
      return Violate(Text(sequence, " is said to be deleted, and is not"));
  }
  place_ = sequence;
}

void Client::OnClose(std::string_view payload) {
  const std::string reason(payload.substr(std::min<std::size_t>(payload.size(), 2)));
  if (reason == "the journal cannot be read") told_of_damage_ = true;
  if (options_.resumes && reason.find("too slow") != std::string::npos)
    Violate("resumes, and was closed because it is too slow");
  Disconnect(Text("is closed: ", reason));
}

void Client::CheckNothingIsMissing(std::uint64_t up_to) {
  const Event* const missing = facts_->FirstOwed(options_.interest, *place_, up_to);
  if (missing != nullptr)
    Violate(Text(missing->sequence, " ", missing->id, " is missing behind ", *place_));
}

void Client::CheckNothingIsMissing() {
  if (connection_ == nullptr) return;
  if (!place_) return Violate("was not told that its cursor is of another epoch");
  CheckNothingIsMissing(facts_->last());
}

void Client::CheckComplete() {
  if (connection_ == nullptr) return Violate("is not connected at the end");
  CheckNothingIsMissing();
  if (options_.resumes && *place_ != facts_->last())
    Violate(Text("is at ", *place_, " at the end, and the journal at ", facts_->last()));
}

}  // namespace belfry::simulation
