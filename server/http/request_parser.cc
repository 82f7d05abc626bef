#include "server/http/request_parser.h"

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>

namespace belfry::http {
namespace {

namespace beast = boost::beast;
using HttpError = beast::http::error;

// What is reserved before anything of a body has come; a client may promise more than it sends.
constexpr std::uint64_t kReservedBody = 64 * 1024;

bool IsNumber(beast::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

// Whether the value begins or goes on in a line of its own (obs-fold): Beast joins the lines, other
// readers may take the second for another field. The name, the colon and the blanks after it are
// where the connection's bytes are; so is a value that follows them directly. (RFC 9112, 5.2)
bool IsFolded(beast::string_view name, beast::string_view value) {
  const char* after = name.data() + name.size() + 1;
  while (*after == ' ' || *after == '\t') ++after;
  return value.data() != after;
}

}  // namespace

void RequestParser::on_request_impl(beast::http::verb, Text method, Text target, int version,
                                    Error&) {
  request_.method = std::string(method);
  request_.version = static_cast<unsigned>(version);
  target_ = std::string(target);
}

void RequestParser::on_field_impl(beast::http::field field, Text name, Text value, Error& error) {
  if (IsFolded(name, value)) {
    error = HttpError::bad_obs_fold;
    return;
  }
  if (name.size() + value.size() > kMaxFieldBytes || ++fields_ > kMaxFields) {
    error = HttpError::header_limit;
    return;
  }
  // A trailer comes after everything that it could be meant for.
  if (header_is_done_) return;
  if (field == beast::http::field::content_length) {
    if (sized_ || !IsNumber(value)) error = HttpError::bad_content_length;
    sized_ = true;
  } else if (field == beast::http::field::transfer_encoding) {
    ++encodings_;
    chunked_ = beast::iequals(value, "chunked");
  }
  request_.headers.emplace_back(name, value);
}

// Of two lengths, one that a proxy goes by and one that counts here, a second request could be
// made.
void RequestParser::on_header_impl(Error& error) {
  header_is_done_ = true;
  promised_body_ = content_length().value_or(0);
  if (encodings_ == 0) return;
  const bool is_simple = encodings_ == 1 && chunked_;
  if (!is_simple || sized_ || request_.version < 11) error = HttpError::bad_transfer_encoding;
  if (!is_simple && !sized_) status_of_error_ = 501;
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>& size, Error&) {
  request_.body.reserve(std::min(size.value_or(0), kReservedBody));
}

std::size_t RequestParser::on_body_impl(Text body, Error&) {
  request_.body.append(body.data(), body.size());
  return body.size();
}

// Beast lets a quoted value hold anything. Whoever ends the line at a bare LF there sees other
// chunks, and could be made to see another request. (RFC 9112, 7.1.1)
void RequestParser::on_chunk_header_impl(std::uint64_t, Text extensions, Error& error) {
  const bool has_control = std::ranges::any_of(extensions, [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
  if (has_control) error = HttpError::bad_chunk_extension;
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t remaining, Text body, Error& error) {
  promised_body_ = request_.body.size() + remaining;
  if (promised_body_ > allowed_body_) {
    error = HttpError::need_buffer;
    return 0;
  }
  return on_body_impl(body, error);
}

}  // namespace belfry::http
