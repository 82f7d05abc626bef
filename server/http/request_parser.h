#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "server/api/http_message.h"

namespace belfry::http {

// A field with its name and value may be so long; beyond, the answer is 431.
inline constexpr std::size_t kMaxFieldBytes = 64 * 1024;
// And a request, its trailers included, may have so many fields: each takes up more than its bytes.
// Vault's Proxy adds one at each reconnect, as long as it lives. (users-and-clients 2)
inline constexpr std::size_t kMaxFields = 10'000;

// Reads one HTTP/1 request, strictly where another reader of the same bytes could see another
// request in them: a body has one Content-Length in digits, or is "chunked" and nothing else, and
// no field goes on in a second line. What follows a chunked body as trailers is dropped.
// Errors are beast::http::error's; after one, need_buffer apart, nothing more can be read from the
// connection. Not thread-safe.
class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  // Without path, query and remote address. Its method, headers and version are known when the
  // header has been read, its body when all has been.
  api::HttpRequest& request() { return request_; }
  const api::HttpRequest& request() const { return request_; }
  const std::string& target() const { return target_; }
  // How long the body is going to be at least, by its Content-Length or the chunks so far.
  std::uint64_t promised_body() const { return promised_body_; }
  // A chunk that would make the body longer than this is not read: the error is need_buffer, and
  // reading goes on once more is allowed. Until it is called, the body_limit is all that counts.
  void AllowBody(std::uint64_t bytes) { allowed_body_ = bytes; }
  // The status that answers an error: 501 for a transfer encoding other than "chunked", else 400.
  int status_of_error() const { return status_of_error_; }

 private:
  using Error = boost::system::error_code;
  using Text = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb verb, Text method, Text target, int version,
                       Error& error) override;
  void on_response_impl(int, Text, int, Error&) override {}
  void on_field_impl(boost::beast::http::field field, Text name, Text value, Error& error) override;
  void on_header_impl(Error& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& size, Error& error) override;
  std::size_t on_body_impl(Text body, Error& error) override;
  void on_chunk_header_impl(std::uint64_t size, Text extensions, Error& error) override;
  std::size_t on_chunk_body_impl(std::uint64_t remaining, Text body, Error& error) override;
  void on_finish_impl(Error&) override {}

  api::HttpRequest request_;
  std::string target_;
  std::size_t fields_ = 0;  // Trailers included.
  bool header_is_done_ = false;
  bool sized_ = false;  // There has been a Content-Length.
  int encodings_ = 0;   // How many Transfer-Encoding fields there have been.
  bool chunked_ = false;
  std::uint64_t promised_body_ = 0;
  std::uint64_t allowed_body_ = std::numeric_limits<std::uint64_t>::max();
  int status_of_error_ = 400;
};

}  // namespace belfry::http
