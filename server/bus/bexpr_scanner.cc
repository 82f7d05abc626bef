#include "server/bus/bexpr_scanner.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "server/bus/bexpr.h"

namespace belfry::bus::bexpr {
namespace {

constexpr std::size_t kMostErrors = 20;

bool BeginsCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

std::string Place(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const bool at_feed = offset < text.size() && text[offset] == '\n';
  const auto line = 1 + std::count(before.begin(), before.end(), '\n') + (at_feed ? 1 : 0);
  const std::string_view in_line = before.substr(before.rfind('\n') + 1);
  const auto column =
      at_feed ? 0 : 1 + std::count_if(in_line.begin(), in_line.end(), BeginsCharacter);
  return Concat(
      {std::to_string(line), ":", std::to_string(column), " (", std::to_string(offset), ")"});
}

std::string Quoted(std::string_view literal) {
  return literal == "\"" ? R"("\"")" : Concat({"\"", literal, "\""});
}

}  // namespace

absl::Status ErrorAt(std::string_view text, std::size_t offset, std::string_view what) {
  return absl::InvalidArgumentError(Concat({Place(text, offset), ": ", what}));
}

bool Scanner::Take(std::string_view literal) {
  if (rest().starts_with(literal)) {
    offset_ += literal.size();
    return true;
  }
  Expect(Kind::kLiteral, literal);
  return false;
}

bool Scanner::TakeOne(std::string_view class_name, bool (*belongs)(char)) {
  if (!rest().empty() && belongs(rest().front())) {
    ++offset_;
    return true;
  }
  Expect(Kind::kClass, class_name);
  return false;
}

bool Scanner::TakeRun(std::string_view class_name, std::size_t length) {
  offset_ += length;
  Expect(Kind::kClass, class_name);
  return length > 0;
}

bool Scanner::TakeRun(std::string_view class_name, bool (*belongs)(char)) {
  const std::string_view left = rest();
  const auto end = std::find_if_not(left.begin(), left.end(), belongs);
  return TakeRun(class_name, static_cast<std::size_t>(end - left.begin()));
}

bool Scanner::TakeEnd() {
  if (rest().empty()) return true;
  Expect(Kind::kEnd, "EOF");
  return false;
}

void Scanner::Expect(Kind kind, std::string_view name) {
  if (offset_ < furthest_) return;
  if (offset_ > furthest_) expected_.clear();
  furthest_ = offset_;
  expected_.push_back({kind, name});
}

void Scanner::Fail(std::size_t offset, std::string_view rule, std::string_view what) {
  if (errors_.size() == kMostErrors) return;
  const absl::Status status = ErrorAt(text_, offset, Concat({"rule \"", rule, "\": ", what}));
  std::string error(ToStd(status.message()));
  // A second try of the same comes to the same.
  if (std::find(errors_.begin(), errors_.end(), error) == errors_.end()) {
    errors_.push_back(std::move(error));
  }
}

absl::Status Scanner::Error() const {
  if (errors_.empty()) {
    return ErrorAt(text_, furthest_, Concat({"no match found, expected: ", Expected()}));
  }
  std::string all;
  for (const std::string& error : errors_) all += Concat({all.empty() ? "" : "\n", error});
  return absl::InvalidArgumentError(all);
}

std::string Scanner::Expected() const {
  std::set<std::string> sorted;
  bool end = false;
  for (const auto& [kind, name] : expected_) {
    if (kind == Kind::kEnd) end = true;
    if (kind == Kind::kClass) sorted.emplace(name);
    if (kind == Kind::kLiteral) sorted.insert(Quoted(name));
  }
  std::vector<std::string> all(sorted.begin(), sorted.end());
  if (end) all.emplace_back("EOF");
  std::string list;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0) list += i + 1 == all.size() ? " or " : ", ";
    list += all[i];
  }
  return list;
}

}  // namespace belfry::bus::bexpr
