#include "cli/resuming_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/descriptor.h"
#include "cli/commands.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace beast = boost::beast;
namespace fs = std::filesystem;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::asio::ip::tcp;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Stream = websocket::stream<tcp::socket>;

std::string CursorOf(int sequence) {
  return Concat("3f9ac2d41e07b856-", sequence);
}

std::string Frame(std::string_view type, int sequence, std::string_view data = "") {
  return Concat(R"({"type":")", type, R"(",)", data, R"("cursor":")", CursorOf(sequence), R"("})");
}

std::string Event(int sequence) {
  return Frame("*", sequence, R"("data":{"event_type":"kv-v2/data-write"},)");
}
std::string Bookmark(int sequence) {
  return Frame("belfry.bookmark", sequence);
}
std::string Gap(int sequence) {
  return Frame("belfry.gap", sequence, R"("data":{"reason":"expired"},)");
}

// What the server does with one connection.
using Act = std::function<void(Stream&, const http::request<http::empty_body>&)>;

// Sends messages, and then ends the connection with `end`.
Act Send(std::vector<std::string> messages, std::function<void(Stream&)> end) {
  return
      [messages = std::move(messages), end = std::move(end)](Stream& stream, const auto& request) {
        stream.accept(request);
        stream.text(true);
        for (const std::string& message : messages) stream.write(boost::asio::buffer(message));
        end(stream);
      };
}

void Cut(Stream& stream) {
  beast::error_code ignored;
  stream.next_layer().close(ignored);
}

std::function<void(Stream&)> Close(websocket::close_code code, std::string reason) {
  return [code, reason = std::move(reason)](Stream& stream) {
    beast::error_code ignored;
    stream.close({code, reason}, ignored);
  };
}

Act Refuse(int status, std::string reason) {
  return [status, reason = std::move(reason)](Stream& stream, const auto& request) {
    http::response<http::string_body> response;
    response.result(static_cast<unsigned>(status));
    response.version(request.version());
    response.body() = Concat(R"({"errors":[")", reason, R"("]})");
    response.prepare_payload();
    beast::error_code ignored;
    http::write(stream.next_layer(), response, ignored);
  };
}

// Ends the connection without an answer.
void Drop(Stream& stream, const http::request<http::empty_body>&) {
  Cut(stream);
}

// What ends a test: the server refuses for good.
Act Revoked() {
  return Refuse(403, "permission denied");
}

// Accepts one connection after the other, one for each act, on a thread of its own.
class FakeServer {
 public:
  explicit FakeServer(std::vector<Act> acts)
      : thread_([this, acts = std::move(acts)] {
          for (const Act& act : acts) {
            if (!Serve(act)) return;
          }
        }) {}
  ~FakeServer() { Stop(); }

  std::string Address() const {
    return Concat("http://127.0.0.1:", acceptor_.local_endpoint().port());
  }
  // What clients have asked for, after "/v1/sys/events/subscribe/". Stops the server.
  const std::vector<std::string>& Requests() {
    Stop();
    return requests_;
  }

 private:
  bool Serve(const Act& act) {
    beast::error_code stopped;
    Stream stream(acceptor_.accept(stopped));
    if (stopped) return false;
    beast::flat_buffer buffer;
    http::request<http::empty_body> request;
    beast::error_code error;
    http::read(stream.next_layer(), buffer, request, error);
    EXPECT_FALSE(error) << error.message();
    std::string_view target(request.target().data(), request.target().size());
    EXPECT_TRUE(ConsumePrefix(&target, "/v1/sys/events/subscribe/"));
    requests_.emplace_back(target);
    act(stream, request);
    return true;
  }
  void Stop() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }

  boost::asio::io_context context_;
  tcp::acceptor acceptor_{context_, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  std::vector<std::string> requests_;
  std::thread thread_;
};

// Calls a function each time that it is flushed.
class WatchedBuffer final : public std::stringbuf {
 public:
  std::function<void()> on_flush = [] {};

 protected:
  int sync() override {
    on_flush();
    return std::stringbuf::sync();
  }
};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class ResumeTest : public ::testing::Test {
 protected:
  ResumeTest() {
    std::string folder = (fs::temp_directory_path() / "resumeXXXXXX").string();
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    file_ = (folder_ / "kv.cursor").string();
    terminal_ = {.in = &in_,
                 .out = &out_,
                 .err = &err_,
                 .reconnect_delay = absl::ZeroDuration(),
                 .environment = [](const char*) { return std::nullopt; }};
  }
  ~ResumeTest() override { fs::remove_all(folder_); }

  // The exit code of "events subscribe … kv*".
  int Subscribe(const FakeServer& server, const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"subscribe", "-address", server.Address()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    arguments.emplace_back("kv*");
    return RunEvents(terminal_, arguments);
  }
  std::string CursorFlag() const { return "-cursor-file=" + file_; }
  std::string Content(const std::string& file) const {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::vector<std::string> Printed() const { return Lines(out_buffer_.str()); }
  std::vector<std::string> Said() const { return Lines(err_buffer_.str()); }

  fs::path folder_;
  std::string file_;
  std::istringstream in_;
  WatchedBuffer out_buffer_;
  WatchedBuffer err_buffer_;
  std::ostream out_{&out_buffer_};
  std::ostream err_{&err_buffer_};
  Terminal terminal_;
};

TEST_F(ResumeTest, ALostConnectionIsReplacedAfterTheLastEventUntilTheServerRefuses) {
  FakeServer server({Send({Event(41), Event(42)}, Cut),
                     Send({Event(43)}, Close(websocket::close_code::going_away, "shutting down")),
                     Send({}, Close(websocket::close_code::normal, "token revoked")), Revoked()});
  EXPECT_EQ(Subscribe(server, {"-after=earliest"}), 1);
  EXPECT_THAT(Printed(), ElementsAre(Event(41), Event(42), Event(43)));
  EXPECT_THAT(server.Requests(), ElementsAre("kv%2A?after=earliest&json=true",
                                             "kv%2A?after=3f9ac2d41e07b856-42&json=true",
                                             "kv%2A?after=3f9ac2d41e07b856-43&json=true",
                                             "kv%2A?after=3f9ac2d41e07b856-43&json=true"));
  EXPECT_THAT(
      Said(),
      ElementsAre(
          AllOf(HasSubstr(" broke: "), EndsWith("; reconnecting after 3f9ac2d41e07b856-42")),
          "the server closed the stream with 1001: shutting down; reconnecting after "
          "3f9ac2d41e07b856-43",
          "the server closed the stream with 1000: token revoked; reconnecting after "
          "3f9ac2d41e07b856-43",
          EndsWith("status code 101 but got 403"), "* permission denied", HasSubstr("no token")));
}

TEST_F(ResumeTest, WithoutAfterAndCursorFileTheFirstEndIsTheLast) {
  FakeServer server({Send({Event(41)}, Close(websocket::close_code::going_away, "")), Revoked()});
  EXPECT_EQ(Subscribe(server, {}), 1);
  EXPECT_THAT(Printed(), ElementsAre(Event(41)));
  EXPECT_THAT(Said(), ElementsAre("the server closed the stream with 1001"));
  EXPECT_THAT(server.Requests(), ElementsAre("kv%2A?json=true"));
}

TEST_F(ResumeTest, AReconnectWithoutAnyCursorSaysWhatItMayMiss) {
  FakeServer server({Send({}, Cut), Revoked()});
  EXPECT_EQ(Subscribe(server, {"-after=latest"}), 1);
  ASSERT_FALSE(Said().empty());
  EXPECT_THAT(Said().front(), EndsWith("at the latest event: those before it are missed"));
}

TEST_F(ResumeTest, ABookmarkMovesTheCursorAndIsNotPrinted) {
  FakeServer server({Send({Event(41), Bookmark(50)}, Cut), Revoked()});
  EXPECT_EQ(Subscribe(server, {CursorFlag()}), 1);
  EXPECT_THAT(Printed(), ElementsAre(Event(41)));
  EXPECT_THAT(server.Requests(), ElementsAre(StartsWith("kv%2A?after=latest&"),
                                             HasSubstr("after=3f9ac2d41e07b856-50&")));
  EXPECT_EQ(Content(file_), CursorOf(50) + "\n");
}

TEST_F(ResumeTest, AGapIsPrintedAndWarnedOf) {
  FakeServer server({Send({Gap(60), Event(61)}, Cut), Revoked()});
  EXPECT_EQ(Subscribe(server, {"-after=" + CursorOf(1)}), 1);
  EXPECT_THAT(Printed(), ElementsAre(Gap(60), Event(61)));
  ASSERT_FALSE(Said().empty());
  EXPECT_EQ(Said().front(), "events are missing: expired; read again what you keep");
}

TEST_F(ResumeTest, AServerThatIsGoneOrRefusesForNowIsTriedAgainAndEachReasonSaidOnce) {
  FakeServer server({Send({Event(41)}, Cut), Drop, Drop, Refuse(503, "sealed"),
                     Refuse(503, "sealed"), Refuse(429, "too many"), Refuse(500, "failed"),
                     Send({Event(42)}, Cut), Revoked()});
  EXPECT_EQ(Subscribe(server, {"-after=earliest"}), 1);
  EXPECT_THAT(Printed(), ElementsAre(Event(41), Event(42)));
  EXPECT_EQ(server.Requests().size(), 9U);
  const std::vector<std::string> said = Said();
  ASSERT_GE(said.size(), 7U);
  EXPECT_THAT(said[0], EndsWith("; reconnecting after 3f9ac2d41e07b856-41"));
  EXPECT_THAT(said[1], AllOf(HasSubstr("broke before it had answered"), EndsWith("trying again")));
  EXPECT_THAT(said[2], EndsWith("but got 503: sealed; trying again"));
  EXPECT_THAT(said[3], EndsWith("but got 429: too many; trying again"));
  EXPECT_THAT(said[4], EndsWith("but got 500: failed; trying again"));
  EXPECT_THAT(said[5], EndsWith("; reconnecting after 3f9ac2d41e07b856-42"));
  EXPECT_THAT(said[6], EndsWith("but got 403"));
}

TEST_F(ResumeTest, TheFirstConnectionIsNotTriedAgain) {
  FakeServer sealed({Refuse(503, "sealed"), Send({Event(41)}, Cut)});
  EXPECT_EQ(Subscribe(sealed, {"-after=earliest"}), 1);
  FakeServer gone({Drop, Send({Event(41)}, Cut)});
  EXPECT_EQ(Subscribe(gone, {"-after=earliest"}), 2);
  EXPECT_THAT(Printed(), ElementsAre());
}

TEST_F(ResumeTest, AReaderThatGoesEndsTheWaitForTheNextAttempt) {
  absl::StatusOr<Pipe> output = MakePipe();
  ASSERT_TRUE(output.ok());
  terminal_.output_descriptor = output->write_end.get();
  terminal_.reconnect_delay = absl::Hours(1);
  err_buffer_.on_flush = [&output] { output->read_end.Close(); };
  FakeServer server({Send({Event(41)}, Cut)});
  EXPECT_EQ(Subscribe(server, {CursorFlag()}), 0);
  EXPECT_EQ(Said().size(), 1U);
  EXPECT_EQ(Content(file_), CursorOf(41) + "\n");
}

TEST_F(ResumeTest, AServerThatSendsNoCursorsCannotResume) {
  FakeServer server({Send({R"({"type":"*","data":{}})"}, Cut), Revoked()});
  EXPECT_EQ(Subscribe(server, {"-after=latest"}), 1);
  EXPECT_THAT(Printed(), ElementsAre());
  EXPECT_THAT(Said(), ElementsAre(HasSubstr("events without cursors")));
}

TEST_F(ResumeTest, TheCursorFileIsWhereToBeginAndWinsOverAfter) {
  std::ofstream(file_) << CursorOf(7) << "\n";
  FakeServer server({Send({Event(8)}, Cut), Revoked()});
  EXPECT_EQ(Subscribe(server, {CursorFlag(), "-after=earliest"}), 1);
  EXPECT_THAT(server.Requests(), ElementsAre(HasSubstr("after=3f9ac2d41e07b856-7&"),
                                             HasSubstr("after=3f9ac2d41e07b856-8&")));
  EXPECT_EQ(Content(file_), CursorOf(8) + "\n");
}

TEST_F(ResumeTest, WithoutACursorInTheFileItBeginsAtAfter) {
  FakeServer server({Send({}, Cut), Revoked()});
  EXPECT_EQ(Subscribe(server, {CursorFlag(), "-after=earliest"}), 1);
  ASSERT_FALSE(server.Requests().empty());
  EXPECT_THAT(server.Requests().front(), HasSubstr("after=earliest&"));
}

TEST_F(ResumeTest, TheCursorFileIsNeverAheadOfTheOutput) {
  int flushed = 0;
  out_buffer_.on_flush = [&] {
    const std::string saved = Content(file_);
    for (int sequence = ++flushed; sequence <= 300; ++sequence)
      EXPECT_NE(saved, CursorOf(sequence) + "\n") << flushed;
  };
  std::vector<std::string> events;
  for (int sequence = 1; sequence <= 300; ++sequence) events.push_back(Event(sequence));
  FakeServer server({Send(events, Cut), Revoked()});
  EXPECT_EQ(Subscribe(server, {CursorFlag()}), 1);
  EXPECT_EQ(flushed, 300);
  EXPECT_EQ(Content(file_), CursorOf(300) + "\n");
}

TEST_F(ResumeTest, ACursorFileThatCannotBeUsedIsSaidBeforeConnecting) {
  std::ofstream(file_) << "my notes";
  FakeServer server({Revoked()});
  EXPECT_EQ(Subscribe(server, {CursorFlag()}), 1);
  EXPECT_THAT(Said(), ElementsAre(HasSubstr(file_ + " does not hold a cursor")));
  EXPECT_EQ(Content(file_), "my notes");
  EXPECT_EQ(Subscribe(server, {"-cursor-file=" + file_ + ".missing/file"}), 1);
  EXPECT_THAT(Said().back(), StartsWith("cannot write the cursor file " + file_ + ".missing/file"));
  EXPECT_THAT(server.Requests(), ElementsAre());
}

TEST_F(ResumeTest, ACommandThatFailsEndsItAndItsEventIsNotCounted) {
  const std::string out = (folder_ / "out").string();
  FakeServer server({Send({Event(41), Bookmark(42), Gap(43), Event(44), Event(45)}, Cut)});
  EXPECT_EQ(
      Subscribe(server, {CursorFlag(), "-exec=echo $BELFRY_EVENT_TYPE $(cat " + file_ + ") >>" +
                                           out + "; test $BELFRY_CURSOR != " + CursorOf(44)}),
      1);
  EXPECT_THAT(Printed(), ElementsAre());
  EXPECT_THAT(Lines(Content(out)), ElementsAre("kv-v2/data-write", "belfry.gap 3f9ac2d41e07b856-42",
                                               "kv-v2/data-write 3f9ac2d41e07b856-43"));
  EXPECT_EQ(Content(file_), CursorOf(43) + "\n");
  EXPECT_THAT(Said().back(), HasSubstr("the command of -exec failed: it exited with code 1"));
}

TEST_F(ResumeTest, ACommandRunsAlsoWithoutCursors) {
  const std::string out = (folder_ / "out").string();
  FakeServer server({Send({R"({"type":"*","data":{"event_type":"kv-v1/write"}})"}, Cut)});
  EXPECT_EQ(Subscribe(server, {"-exec=cat >" + out + "; echo $BELFRY_EVENT_TYPE >>" + out}), 2);
  EXPECT_EQ(Content(out),
            "{\"type\":\"*\",\"data\":{\"event_type\":\"kv-v1/write\"}}\n"
            "kv-v1/write\n");
  EXPECT_THAT(server.Requests(), ElementsAre(Not(HasSubstr("after="))));
}

TEST_F(ResumeTest, ValuesThatSayNothingAreRefused) {
  FakeServer server({Revoked()});
  for (const char* flag : {"-after=", "-after=newest", "-after=42", "-cursor-file=", "-exec="}) {
    EXPECT_EQ(Subscribe(server, {flag}), 1) << flag;
    const std::string name = std::string(flag).substr(0, std::string(flag).find('='));
    EXPECT_THAT(Said().back(), HasSubstr(name));
  }
  EXPECT_THAT(server.Requests(), ElementsAre());
}

}  // namespace
}  // namespace belfry::cli
