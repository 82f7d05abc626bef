#include "server/http/connections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <memory>
#include <string>
#include <vector>

namespace belfry::http {
namespace {

// Connections that wait, without sockets.
class ConnectionsTest : public ::testing::Test {
 protected:
  using Registration = std::unique_ptr<Connections::Registration>;

  // One that has been admitted, and does not end when it is told to.
  Registration Open(char name, Connections::Stay stay = Connections::Stay::kUsual) {
    auto mailbox = std::make_shared<Mailbox>(boost::asio::make_strand(io_));
    Registration registration = connections_.Add(std::move(mailbox), stay);
    registration->OnEviction([this, name] { evicted_ += name; });
    return registration;
  }
  std::string Evicted() {
    io_.restart();
    io_.poll();
    return evicted_;
  }

  boost::asio::io_context io_;
  Connections connections_{{.staying = 2, .leaving = 2}};
  std::string evicted_;
};

TEST_F(ConnectionsTest, TheLongestIdleMakesRoom) {
  const Registration a = Open('a');
  const Registration b = Open('b');
  a->SetIdle();
  b->SetIdle();
  a->SetIdle();  // Counts from now.
  EXPECT_EQ(connections_.Admit(), Connections::Admission::kServed);
  EXPECT_EQ(Evicted(), "b");
  const Registration c = Open('c');
  a->SetBusy();
  EXPECT_EQ(connections_.Admit(), Connections::Admission::kRefused);
  EXPECT_EQ(Evicted(), "b");
}

// Their sessions begin on several threads.
TEST_F(ConnectionsTest, ANewConnectionIsIdleSinceItWasAdded) {
  const Registration a = Open('a');
  const Registration b = Open('b');
  b->SetIdle();
  a->SetIdle();
  EXPECT_EQ(connections_.Admit(), Connections::Admission::kServed);
  EXPECT_EQ(Evicted(), "a");
}

TEST_F(ConnectionsTest, ThereIsRoomUntilOneWouldHaveToLeave) {
  EXPECT_TRUE(connections_.HasRoom());
  const Registration a = Open('a');
  EXPECT_TRUE(connections_.HasRoom());
  Registration b = Open('b');
  EXPECT_FALSE(connections_.HasRoom());
  b->SetIdle();
  EXPECT_TRUE(connections_.EvictOne());
  EXPECT_FALSE(connections_.HasRoom()) << "it has not left yet";
  b = nullptr;
  EXPECT_TRUE(connections_.HasRoom());
}

TEST_F(ConnectionsTest, AQuarterOfThemIsKeptFromThoseThatStay) {
  Connections connections({.staying = 4, .leaving = 2});
  std::vector<Registration> open;
  for (int i = 0; i < 4; ++i) {
    open.push_back(connections.Add(std::make_shared<Mailbox>(boost::asio::make_strand(io_))));
  }
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(open[i]->TryHold());
  EXPECT_TRUE(open[0]->TryHold());
  EXPECT_FALSE(open[3]->TryHold());
  open[1]->StopHolding();
  EXPECT_TRUE(open[3]->TryHold());
  EXPECT_FALSE(open[1]->TryHold());
  open.erase(open.begin());
  EXPECT_TRUE(open[0]->TryHold());
}

TEST_F(ConnectionsTest, OneThatWasEvictedCountsUntilItIsClosed) {
  std::vector<Registration> open;
  for (const char name : {'a', 'b'}) {
    open.push_back(Open(name));
    open.back()->SetIdle();
  }
  for (const char name : {'c', 'd'}) {
    ASSERT_EQ(connections_.Admit(), Connections::Admission::kServed);
    open.push_back(Open(name));
    open.back()->SetIdle();
  }
  EXPECT_EQ(connections_.Admit(), Connections::Admission::kDropped);
  EXPECT_EQ(Evicted(), "ab");
  open.erase(open.begin());
  EXPECT_EQ(connections_.Admit(), Connections::Admission::kServed);
}

TEST_F(ConnectionsTest, OneThatWasRefusedMakesRoomForTheNext) {
  const Registration a = Open('a');
  const Registration b = Open('b');
  ASSERT_EQ(connections_.Admit(), Connections::Admission::kRefused);
  Registration refused = Open('r', Connections::Stay::kLeaving);
  ASSERT_EQ(connections_.Admit(), Connections::Admission::kRefused);
  EXPECT_EQ(Evicted(), "");  // It has not had its answer.
  refused->SetIdle();
  EXPECT_EQ(connections_.Admit(), Connections::Admission::kRefused);
  EXPECT_EQ(Evicted(), "r");
}

}  // namespace
}  // namespace belfry::http
