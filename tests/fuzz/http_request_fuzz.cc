// A connection's bytes up to the end of its first request: one byte that says how they come, then
// the request. (RFC 9112)

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <memory>
#include <string>

#include "server/http/request_parser.h"
#include "tests/fuzz/fuzz.h"

namespace belfry::http {
namespace {

namespace beast = boost::beast;

constexpr std::uint32_t kHeaderLimit = 4096;
constexpr std::uint64_t kBodyLimit = 4096;

struct Outcome {
  bool refused = false;
  bool done = false;
  api::HttpRequest request;
  std::string target;
  std::size_t used = 0;
};

// A mistake in a header that comes in pieces is seen only when the header's end has come.
bool Same(const Outcome& a, const Outcome& b) {
  if (a.done != b.done) return false;
  return !a.done ||
         (a.used == b.used && a.target == b.target && a.request.body == b.request.body &&
          a.request.method == b.request.method && a.request.headers == b.request.headers);
}

// As the connection reads: what was not used is shown again with what comes next.
Outcome Read(std::string_view bytes, std::size_t piece_bytes) {
  RequestParser parser;
  parser.header_limit(kHeaderLimit);
  parser.body_limit(kBodyLimit);
  Outcome outcome;
  std::size_t shown = 0;
  while (!outcome.done && !outcome.refused && shown < bytes.size()) {
    shown = std::min(shown + piece_bytes, bytes.size());
    for (bool more = true; more && !parser.is_done() && outcome.used < shown;) {
      boost::system::error_code error;
      const std::string_view rest = bytes.substr(outcome.used, shown - outcome.used);
      const std::size_t used = parser.put(boost::asio::buffer(rest.data(), rest.size()), error);
      outcome.used += used;
      more = !error && used > 0;
      outcome.refused = error && error != beast::http::error::need_more;
      if (outcome.refused) BELFRY_CLAIM(parser.status_of_error() >= 400);
    }
    outcome.done = !outcome.refused && parser.is_done();
  }
  outcome.request = parser.request();
  outcome.target = parser.target();
  return outcome;
}

std::size_t Count(const api::HttpRequest& request, beast::string_view name) {
  return static_cast<std::size_t>(std::ranges::count_if(
      request.headers, [name](const auto& header) { return beast::iequals(header.first, name); }));
}

// Whoever reads the same bytes sees the same end of the request.
void ExamineRequest(const api::HttpRequest& request) {
  const std::size_t lengths = Count(request, "Content-Length");
  const std::size_t encodings = Count(request, "Transfer-Encoding");
  BELFRY_CLAIM(lengths + encodings <= 1);
  BELFRY_CLAIM(request.body.size() <= kBodyLimit);
  BELFRY_CLAIM(!request.body.empty() ? lengths + encodings == 1 : true);
  if (encodings == 1) {
    BELFRY_CLAIM(request.version == 11);
    BELFRY_CLAIM(beast::iequals(std::string(request.Header("Transfer-Encoding")), "chunked"));
  }
  if (lengths == 1) {
    BELFRY_CLAIM(std::stoull(std::string(request.Header("Content-Length"))) == request.body.size());
  }
  for (const auto& [name, value] : request.headers) {
    BELFRY_CLAIM(name.size() + value.size() <= kMaxFieldBytes);
    BELFRY_CLAIM(name.find_first_of(" \t\r\n:") == std::string::npos);
    BELFRY_CLAIM(value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
}

}  // namespace
}  // namespace belfry::http

void belfry::fuzz::Examine(std::string_view input) {
  if (input.empty()) return;
  const auto piece_bytes = static_cast<unsigned char>(input.front());
  input.remove_prefix(1);
  const http::Outcome outcome = http::Read(input, input.size());
  BELFRY_CLAIM(http::Same(outcome, http::Read(input, piece_bytes == 0 ? 1 : piece_bytes)));
  if (outcome.done) http::ExamineRequest(outcome.request);
}
