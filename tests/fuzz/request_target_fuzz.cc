// The target in the first line of an HTTP request.

#include "server/http/request_target.h"

#include <string>

#include "tests/fuzz/fuzz.h"

namespace belfry::http {
namespace {

std::string Escaped(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string escaped;
  for (const unsigned char c : text) escaped += {'%', kHex[c >> 4], kHex[c & 15]};
  return escaped;
}

std::string Format(const RequestTarget& target) {
  std::string text = "/" + Escaped(std::string_view(target.path).substr(1));
  char separator = '?';
  for (const auto& [name, value] : target.query) {
    text += separator + Escaped(name) + "=" + Escaped(value);
    separator = '&';
  }
  return text;
}

std::size_t CountBytes(const RequestTarget& target) {
  std::size_t bytes = target.path.size();
  for (const auto& [name, value] : target.query) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace
}  // namespace belfry::http

void belfry::fuzz::Examine(std::string_view input) {
  const std::optional<http::RequestTarget> target = http::ParseRequestTarget(input);
  if (!target) return;
  BELFRY_CLAIM(target->path.starts_with('/'));
  // What is passed on as it was written says the same.
  const std::optional<http::RequestTarget> written = http::ParseRequestTarget(target->as_written);
  BELFRY_CLAIM(target->as_written.starts_with('/') && written.has_value());
  BELFRY_CLAIM(written->path == target->path && written->query == target->query);
  BELFRY_CLAIM(http::CountBytes(*target) <= input.size() + 1);
  const std::optional<http::RequestTarget> again = http::ParseRequestTarget(http::Format(*target));
  BELFRY_CLAIM(again.has_value());
  BELFRY_CLAIM(again->path == target->path);
  BELFRY_CLAIM(again->query == target->query);
}
