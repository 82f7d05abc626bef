#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proto/belfry/v1/delivery.pb.h"
#include "server/subscriptions/subscriptions.h"
#include "tests/simulation/connection.h"
#include "tests/simulation/facts.h"
#include "tests/simulation/history.h"
#include "tests/simulation/server.h"

namespace belfry::simulation {

// A subscriber, which lives on when the server or its connection does not, and holds what it is
// sent against the facts. Not thread-safe.
class Client {
 public:
  struct Options {
    std::size_t number = 0;
    Interest interest;
    bool resumes = false;
    bool begins_at_earliest = false;
    std::size_t network_bytes = 0;
  };
  // All must outlive it.
  Client(Options options, History* history, const Facts* facts, const Policies* policies);

  const Interest& interest() const { return options_.interest; }
  bool resumes() const { return options_.resumes; }
  Connection* connection() { return connection_.get(); }
  // How its token is known. Those that resume have one of their own for each connection; the others
  // share one with their group until it is revoked.
  const std::string& token() const { return token_; }

  // Unless it is connected: opens a subscription, behind the last frame that it has dealt with if
  // it resumes.
  void Connect(Server& server);
  // Loses its connection.
  void Disconnect(std::string_view why);
  // One piece of the work of its session; false: there is none.
  bool RunStrand();
  // Deals with one frame; false: there is none.
  bool Read(const Server& server);
  // A server that it is told by that it cannot go on because of a damaged journal.
  bool told_of_damage() const { return told_of_damage_; }

  // Nothing is under way any more, and no time need pass: what it asked for it has had.
  void CheckNothingIsMissing();
  // Nor are bookmarks.
  void CheckComplete();

 private:
  // nullptr: it was refused.
  std::unique_ptr<Connection> Open(Server& server);
  std::string ChooseToken();
  void OnSent(const SentFrame& frame);
  void OnEvent(std::string_view id);
  void OnDelivery(const v1::Delivery& delivery, const Server& server);
  void OnDelivered(std::string_view id, std::uint64_t sequence);
  void OnBookmark(std::uint64_t sequence);
  void OnGap(const v1::Gap& gap, std::uint64_t sequence, const Server& server);
  void OnClose(std::string_view payload);
  // Everything up to this place was sent, or was not for it.
  void CheckNothingIsMissing(std::uint64_t up_to);
  void Violate(std::string_view what);
  void Note(std::string_view what);

  const Options options_;
  History* const history_;
  const Facts* const facts_;
  const Policies* const policies_;
  std::unique_ptr<Connection> connection_;
  bool connecting_ = false;
  std::uint64_t tokens_ = 0;
  std::string token_;
  bool told_of_damage_ = false;
  std::optional<std::string> cursor_;  // Of the last frame that it has dealt with.
  // How far it has come, whether it was told or not; none: it must first be told.
  std::optional<std::uint64_t> place_;
  // Of a subscription that does not resume: what comes later than this may come, and what comes
  // later than place_ must.
  std::uint64_t not_before_ = 0;
};

}  // namespace belfry::simulation
