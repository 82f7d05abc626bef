#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/connection.h"

namespace belfry::cli {

// What a server answered, whatever the status.
struct Answer {
  std::string request;  // "PUT http://127.0.0.1:8200/v1/secret/data/foo", for messages.
  int status = 0;
  // What to do about a refusal, behind "\n": that no token was sent, that the server speaks TLS, or
  // what the caller knows better than the server. Else empty.
  std::string advice;
  std::string location;
  std::string body;
  // The body, parsed; null when it is empty or no JSON.
  boost::json::value json;

  bool ok() const { return status >= 200 && status < 300; }
  // The member `data` when it is an object, else null.
  const boost::json::object* data() const;
  // One line for what was asked, Reasons, and the advice.
  std::string ErrorText() const;
  // What the server says to explain its answer, each behind "\n* ": its errors, its warnings, or
  // the body where that is no JSON. Empty when it says nothing.
  std::string Reasons() const;
};

// Speaks HTTP/1.1 with the server. One request at a time; not thread-safe.
class Client final {
 public:
  // By default a little longer than a server lets a request take, whose own answer says more.
  static constexpr absl::Duration kDefaultTimeout = absl::Seconds(100);
  explicit Client(Connection connection, absl::Duration timeout = kDefaultTimeout);

  // `path` is without "/v1/" and not encoded; `query` is encoded; a `body` that is empty is not
  // sent. Follows one redirect, as RedirectTarget has it. Unavailable, with one sentence, when the
  // server cannot be reached or trusted, ends the connection before it has answered, or speaks no
  // HTTP; PermissionDenied when it wants a client's certificate; DeadlineExceeded when it does not
  // answer in time. Where the server may have carried out a
  // change all the same, the sentence says so.
  absl::StatusOr<Answer> Send(std::string_view method, std::string_view path,
                              std::string_view query = "", std::string body = "");

  // A GET whose answer may have any length: the body of a success goes to `take` in pieces, the
  // last error of which is returned, and is not in the Answer. The server may take as long for each
  // as for a whole answer. Errors as Send's; Unavailable also when the body is broken off.
  using TakePiece = absl::FunctionRef<absl::Status(std::string_view piece)>;
  absl::StatusOr<Answer> Download(std::string_view path, TakePiece take);

  const Connection& connection() const { return connection_; }

 private:
  absl::StatusOr<Answer> Ask(std::string_view method, std::string_view path, std::string_view query,
                             std::string body, const TakePiece* take);

  const Connection connection_;
  const absl::Duration timeout_;
};

// "\nno token was sent: …" for a 403 on a connection without a token, else "".
std::string TokenAdvice(const Connection& connection, int status);
// "\nthe server speaks TLS: …" for a 400 that says so on a connection without TLS, else "".
std::string TlsAdvice(const Connection& connection, int status, std::string_view body);

}  // namespace belfry::cli
