#include "server/http/transport.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <utility>

#include "gtest/gtest.h"
#include "server/http/tcp_transport.h"
#include "server/http/transport_contract.h"

namespace belfry::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

INSTANTIATE_TEST_SUITE_P(Plain, TransportContract, ::testing::Values(TcpKind(), MemoryKind()),
                         ::testing::PrintToStringParamName());

TEST(TcpTransport, SetsTheSocketsOptions) {
  asio::io_context io;
  tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
  tcp::socket client(io);
  client.connect(acceptor.local_endpoint());
  Socket socket = acceptor.accept(asio::make_strand(io));
  const int descriptor = socket.native_handle();
  TcpTransport transport(std::move(socket), std::chrono::seconds(7));
  const auto option = [descriptor](int name) {
    int value = 0;
    socklen_t size = sizeof value;
    ::getsockopt(descriptor, IPPROTO_TCP, name, &value, &size);
    return value;
  };
  EXPECT_NE(option(TCP_NODELAY), 0);
  EXPECT_EQ(option(TCP_USER_TIMEOUT), 7000);
  transport.LimitUnsent(4321);
  EXPECT_EQ(option(TCP_NOTSENT_LOWAT), 4321);
}

}  // namespace
}  // namespace belfry::http
