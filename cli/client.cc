#include "cli/client.h"

#include <boost/asio/io_context.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "cli/client_stream.h"
#include "cli/json_text.h"
#include "cli/text.h"

namespace belfry::cli {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;

using Request = http::request<http::string_body>;
using Parser = http::response_parser<http::string_body>;

constexpr std::size_t kMaxAnswerBytes = 64 * 1024 * 1024;
constexpr std::size_t kPieceBytes = 64 * 1024;
// Of a head, a trailer or the extension of a chunk.
constexpr std::size_t kMaxUnparsedBytes = 1024 * 1024;

// One request over one connection. Lives for one call of Run.
class Exchange final {
 public:
  Exchange(const Connection& connection, absl::Duration timeout)
      : connection_(connection), timeout_(timeout) {
    parser_.body_limit(kMaxAnswerBytes);
  }

  absl::StatusOr<http::response<http::string_body>> Run(const Request& request) {
    const bool changes = MayChange(request);
    if (absl::Status failed = Write(request); !failed.ok()) return failed;
    beast::error_code error;
    Await(error, [&](auto done) {
      http::async_read(stream_, buffer_, parser_, [done](auto result, auto) { done(result); });
    });
    if (!error) return parser_.release();
    const absl::Status failed = Failed(error);
    if (!changes || absl::IsPermissionDenied(failed)) return failed;
    return absl::Status(failed.code(), Concat(std::string(failed.message()),
                                              "; the change may have been carried out"));
  }

  // The same, but the body of a success goes to `take`.
  absl::StatusOr<http::response<http::string_body>> Run(const Request& request,
                                                        Client::TakePiece take) {
    if (absl::Status failed = Write(request); !failed.ok()) return failed;
    http::response_parser<http::empty_body> head;
    head.body_limit(boost::none);
    beast::error_code error;
    Await(error, [&](auto done) {
      http::async_read_header(stream_, buffer_, head, [done](auto result, auto) { done(result); });
    });
    if (error) return Failed(error);
    const bool success = head.get().result_int() / 100 == 2;
    http::response<http::string_body> answer{head.get().base()};
    http::response_parser<http::buffer_body> body(std::move(head));
    body.body_limit(boost::none);
    std::string piece(kPieceBytes, '\0');
    while (!body.is_done()) {
      stream_.next_layer().expires_after(absl::ToChronoNanoseconds(timeout_));
      body.get().body() = {.data = piece.data(), .size = piece.size(), .more = true};
      Await(error, [&](auto done) {
        http::async_read(stream_, buffer_, body, [done](auto result, auto) { done(result); });
      });
      if (error && error != http::error::need_buffer) return Failed(error);
      const std::string_view read(piece.data(), piece.size() - body.get().body().size);
      if (success) {
        if (absl::Status refused = take(read); !refused.ok()) return refused;
      } else if (answer.body().append(read).size() > kMaxAnswerBytes) {
        return Failed(http::error::body_limit);
      }
    }
    return answer;
  }

 private:
  absl::Status Write(const Request& request) {
    if (absl::Status status = stream_.Connect(timeout_); !status.ok()) return status;
    beast::error_code error;
    Await(error, [&](auto done) {
      http::async_write(stream_, request, [done](auto result, auto) { done(result); });
    });
    // What the server has of it is no whole request.
    return error ? Failed(error) : absl::OkStatus();
  }

  // Runs one asynchronous operation to its end: only those obey the stream's deadline.
  template <typename Start>
  void Await(beast::error_code& error, Start start) {
    start([&error](beast::error_code result) { error = result; });
    context_.restart();
    context_.run();
  }

  absl::Status Failed(const beast::error_code& error) const {
    return error == beast::error::timeout ? TimedOut(connection_, timeout_)
                                          : stream_.Unanswered(error);
  }

  static bool MayChange(const Request& request) {
    return request.method_string() != "GET" && request.method_string() != "LIST";
  }

  const Connection& connection_;
  const absl::Duration timeout_;
  boost::asio::io_context context_;
  ClientStream stream_{context_, connection_};
  beast::flat_buffer buffer_{kMaxUnparsedBytes};
  Parser parser_;
};

Request MakeRequest(const Connection& connection, std::string_view method, std::string target,
                    std::string body) {
  Request request;
  request.method_string(beast::string_view(method.data(), method.size()));
  request.target(target);
  request.version(11);
  request.set(http::field::host, connection.Authority());
  request.set(http::field::user_agent, "belfry");
  request.set("X-Vault-Request", "true");
  if (!connection.token.empty()) request.set("X-Vault-Token", connection.token);
  if (!connection.name_space.empty()) request.set("X-Vault-Namespace", connection.name_space);
  request.set(http::field::connection, "close");
  if (!body.empty()) {
    request.set(http::field::content_type,
                method == "PATCH" ? "application/merge-patch+json" : "application/json");
  }
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

bool IsRedirect(int status) {
  return status == 301 || status == 302 || status == 307 || status == 308;
}

boost::json::value ParseOrNull(const std::string& text) {
  absl::StatusOr<boost::json::value> value = ParseJson(text);
  return value.ok() ? *std::move(value) : boost::json::value();
}

}  // namespace

const boost::json::object* Answer::data() const {
  const auto* envelope = json.if_object();
  if (envelope == nullptr) return nullptr;
  const auto* data = envelope->if_contains("data");
  return data == nullptr ? nullptr : data->if_object();
}

std::string Answer::Reasons() const {
  std::string text;
  const auto* envelope = json.if_object();
  if (envelope == nullptr) {
    if (!Trimmed(body).empty()) text = Concat("\n* ", Trimmed(body));
    return text;
  }
  for (const char* list : {"errors", "warnings"}) {
    const auto* reasons = envelope->if_contains(list);
    if (reasons == nullptr || !reasons->is_array()) continue;
    for (const auto& reason : reasons->get_array()) {
      if (reason.is_string())
        text += Concat("\n* ", Trimmed(std::string_view(reason.get_string())));
    }
  }
  return text;
}

std::string Answer::ErrorText() const {
  const std::string reasons = Reasons();
  return Concat(request, " was answered with ", status,
                reasons.empty() ? ", without a reason" : reasons, advice);
}

std::string TokenAdvice(const Connection& connection, int status) {
  if (status != 403 || !connection.token.empty()) return "";
  return "\nno token was sent: set VAULT_TOKEN";
}

std::string TlsAdvice(const Connection& connection, int status, std::string_view body) {
  // Belfry's, Vault's and each other server's in Go.
  constexpr std::string_view kWantsTls = "Client sent an HTTP request to an HTTPS server.";
  if (connection.tls || status != 400 || Trimmed(body) != kWantsTls) return "";
  return Concat("\nthe server speaks TLS: use https://", connection.Authority(),
                " (-address, BELFRY_ADDR or VAULT_ADDR)");
}

namespace {

// Whether the server answers it to every client: a refusal is not about a token then.
bool NeedsNoToken(std::string_view path) {
  for (const std::string_view one : {"sys/seal-status", "sys/leader", "sys/init", "sys/unseal"}) {
    if (path == one) return true;
  }
  return path.starts_with("sys/rekey/") || path.starts_with("sys/rekey-recovery-key/") ||
         path.starts_with("sys/generate-root/");
}

}  // namespace

Client::Client(Connection connection, absl::Duration timeout)
    : connection_(std::move(connection)), timeout_(timeout) {}

absl::StatusOr<Answer> Client::Send(std::string_view method, std::string_view path,
                                    std::string_view query, std::string body) {
  return Ask(method, path, query, std::move(body), nullptr);
}

absl::StatusOr<Answer> Client::Download(std::string_view path, TakePiece take) {
  return Ask("GET", path, "", "", &take);
}

absl::StatusOr<Answer> Client::Ask(std::string_view method, std::string_view path,
                                   std::string_view query, std::string body,
                                   const TakePiece* take) {
  std::string target = connection_.Target(path, query);
  for (int attempt = 0;; ++attempt) {
    const Request request = MakeRequest(connection_, method, target, body);
    Exchange exchange(connection_, timeout_);
    auto response = take == nullptr ? exchange.Run(request) : exchange.Run(request, *take);
    if (!response.ok()) return response.status();
    Answer answer;
    answer.request = Concat(method, " ", connection_.Origin(), target);
    answer.status = response->result_int();
    if (!NeedsNoToken(path)) answer.advice = TokenAdvice(connection_, answer.status);
    const auto location = (*response)[http::field::location];
    answer.location = std::string(location.data(), location.size());
    answer.body = std::move(response->body());
    if (answer.advice.empty()) answer.advice = TlsAdvice(connection_, answer.status, answer.body);
    answer.json = ParseOrNull(answer.body);
    if (attempt > 0 || !IsRedirect(answer.status) || answer.location.empty()) return answer;
    absl::StatusOr<std::string> next = RedirectTarget(connection_, answer.location);
    if (!next.ok()) return next.status();
    target = *std::move(next);
  }
}

}  // namespace belfry::cli
