#include "server/http/handshake_turns.h"

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "gtest/gtest.h"
#include "server/http/session_fixture.h"

namespace belfry::http {
namespace {

class HandshakeTurnsTest : public ::testing::Test {
 protected:
  HandshakeTurns turns_{2};
  std::optional<boost::asio::io_context> io_{std::in_place};
  std::string ran_;

  HandshakeTurns::Ticket Run(char name) {
    return turns_.Run(boost::asio::make_strand(*io_), [this, name] { ran_ += name; });
  }
};

TEST_F(HandshakeTurnsTest, OfWorkThatComesTogetherOnlyAsMuchStandsInTheQueueAsHasTurns) {
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) Run(name);
  EXPECT_EQ(ran_, "");
  // Something else comes while they wait.
  boost::asio::post(*io_, [this] { ran_ += '-'; });
  Poll(*io_);
  EXPECT_EQ(ran_, "ab-cde");
}

TEST_F(HandshakeTurnsTest, WhatIsCancelledDoesNotRun) {
  Run('a');
  const HandshakeTurns::Ticket running = Run('b');
  const HandshakeTurns::Ticket waiting = Run('c');
  Run('d');
  turns_.Cancel(waiting);
  turns_.Cancel(running);  // It has its turn.
  Poll(*io_);
  EXPECT_EQ(ran_, "abd");
}

TEST_F(HandshakeTurnsTest, ATurnIsGivenBackByWorkThatFails) {
  for (int i = 0; i < 2; ++i) {
    turns_.Run(boost::asio::make_strand(*io_), [] { throw std::runtime_error("failed"); });
  }
  Run('a');
  Run('b');
  EXPECT_THROW(Poll(*io_), std::runtime_error);
  EXPECT_THROW(Poll(*io_), std::runtime_error);
  Poll(*io_);
  EXPECT_EQ(ran_, "ab");
}

TEST_F(HandshakeTurnsTest, WhatWaitsAtTheEndIsDestroyed) {
  auto owned = std::make_shared<int>(0);
  const std::weak_ptr<int> alive = owned;
  for (int i = 0; i < 5; ++i) turns_.Run(boost::asio::make_strand(*io_), [owned] {});
  turns_.Close();
  turns_.Run(boost::asio::make_strand(*io_), [owned] {});
  owned.reset();
  EXPECT_FALSE(alive.expired());  // What has its turn is the io_context's.
  io_.reset();
  EXPECT_TRUE(alive.expired());
}

}  // namespace
}  // namespace belfry::http
