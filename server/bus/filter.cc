#include "server/bus/filter.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "base/text.h"
#include "re2/re2.h"
#include "server/bus/bexpr.h"

namespace belfry::bus {
namespace {

using bexpr::Expression;
using bexpr::Operator;

constexpr std::pair<std::string_view, std::string_view EventFields::*> kTexts[] = {
    {"event_type", &EventFields::event_type},
    {"operation", &EventFields::operation},
    {"source_plugin_mount", &EventFields::source_plugin_mount},
    {"data_path", &EventFields::data_path},
    {"namespace", &EventFields::name_space}};
constexpr std::string_view kIsLocal = "source_plugin_is_local";

// What is wrong with a value that its field has in no event; "" when it may have it.
std::string MistakeIn(const bexpr::Comparison& comparison) {
  if (comparison.operation != Operator::kEqual || comparison.negated) return "";
  const std::string& field = comparison.selector.path.front();
  const std::string& value = comparison.value.text;
  if (comparison.selector.path.size() > 1 || value.empty()) return "";
  if (field == "source_plugin_mount" && !value.ends_with('/')) {
    return Concat({"no mount is called this, their paths end in '/': ", value, "/"});
  }
  if (field == "namespace" && value == "root") {
    return "no namespace is called this; the root's name is empty: \"\"";
  }
  return "";
}

// A comparison because of which the whole holds of no event; null when there is none.
const bexpr::Comparison* HopelessIn(const Expression& expression) {
  const bexpr::Comparison* hopeless = nullptr;
  switch (expression.kind) {
    case Expression::Kind::kComparison:
      return MistakeIn(expression.comparison).empty() ? nullptr : &expression.comparison;
    case Expression::Kind::kNot:
      return nullptr;
    case Expression::Kind::kAnd:
      for (const Expression& operand : expression.operands) {
        if ((hopeless = HopelessIn(operand)) != nullptr) return hopeless;
      }
      return nullptr;
    case Expression::Kind::kOr:
      for (const Expression& operand : expression.operands) {
        if ((hopeless = HopelessIn(operand)) == nullptr) return nullptr;
      }
      return hopeless;
  }
  return nullptr;
}

absl::Status CheckHope(std::string_view text, const Expression& expression) {
  const bexpr::Comparison* const hopeless = HopelessIn(expression);
  if (hopeless == nullptr) return absl::OkStatus();
  return bexpr::ErrorAt(text, hopeless->value.offset, MistakeIn(*hopeless));
}

// One comparison, ready to be made.
struct Test {
  std::string_view EventFields::*field = nullptr;  // Null: source_plugin_is_local.
  Operator operation = Operator::kEqual;
  bool negated = false;
  std::string text;                    // What a text is compared with.
  bool truth = false;                  // What source_plugin_is_local is compared with.
  std::unique_ptr<const RE2> pattern;  // Of kMatches.
};

struct Condition {
  Expression::Kind kind = Expression::Kind::kComparison;
  Test test;                        // Of kComparison.
  std::vector<Condition> operands;  // Of every other kind.
};

bool Compare(const Test& test, const EventFields& event) {
  if (test.field == nullptr) return event.source_plugin_is_local == test.truth;
  const std::string_view text = event.*test.field;
  switch (test.operation) {
    case Operator::kEqual:
      return text == test.text;
    case Operator::kContains:
      return text.find(test.text) != std::string_view::npos;
    case Operator::kMatches:
      return RE2::PartialMatch({text.data(), text.size()}, *test.pattern);
    case Operator::kIsEmpty:
      break;
  }
  return text.empty();
}

bool Holds(const Condition& condition, const EventFields& event) {
  const auto holds = [&event](const Condition& operand) { return Holds(operand, event); };
  const std::vector<Condition>& operands = condition.operands;
  switch (condition.kind) {
    case Expression::Kind::kNot:
      return !holds(operands.front());
    case Expression::Kind::kAnd:
      return std::all_of(operands.begin(), operands.end(), holds);
    case Expression::Kind::kOr:
      return std::any_of(operands.begin(), operands.end(), holds);
    case Expression::Kind::kComparison:
      break;
  }
  return Compare(condition.test, event) != condition.test.negated;
}

// Makes conditions of expressions, or leaves an error.
class Compiler {
 public:
  Compiler(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  absl::StatusOr<Condition> Compile(Expression expression) {
    Condition condition{.kind = expression.kind};
    if (expression.kind == Expression::Kind::kComparison) {
      const absl::Status status = CompileTest(expression.comparison, &condition.test);
      if (!status.ok()) return status;
    }
    for (Expression& operand : expression.operands) {
      absl::StatusOr<Condition> compiled = Compile(std::move(operand));
      if (!compiled.ok()) return compiled;
      condition.operands.push_back(*std::move(compiled));
    }
    return condition;
  }

 private:
  absl::Status CompileTest(bexpr::Comparison& comparison, Test* test) {
    test->operation = comparison.operation;
    test->negated = comparison.negated;
    const bexpr::Selector& selector = comparison.selector;
    const std::string_view name = selector.path.front();
    if (selector.path.size() > 1) return UnknownField(selector);
    if (name == kIsLocal) return CompileTruth(comparison, test);
    const auto field = std::find_if(std::begin(kTexts), std::end(kTexts),
                                    [name](const auto& known) { return known.first == name; });
    if (field == std::end(kTexts)) return UnknownField(selector);
    test->field = field->second;
    if (comparison.operation == Operator::kMatches) return CompilePattern(comparison.value, test);
    test->text = std::move(comparison.value.text);
    return absl::OkStatus();
  }

  absl::Status UnknownField(const bexpr::Selector& selector) const {
    std::string known;
    for (const auto& [name, field] : kTexts) known += Concat({name, ", "});
    return bexpr::ErrorAt(text_, selector.offset,
                          Concat({"there is no field \"", absl::StrJoin(selector.path, "."),
                                  "\"; the fields are ", known, kIsLocal}));
  }

  absl::Status CompileTruth(const bexpr::Comparison& comparison, Test* test) const {
    if (comparison.operation != Operator::kEqual) {
      return bexpr::ErrorAt(text_, comparison.selector.offset,
                            Concat({kIsLocal, " can only be compared by == and !="}));
    }
    const std::optional<bool> truth = ParseBool(comparison.value.text);
    if (!truth) {
      return bexpr::ErrorAt(text_, comparison.value.offset,
                            Concat({kIsLocal, " is true or false, not this"}));
    }
    test->truth = *truth;
    return absl::OkStatus();
  }

  absl::Status CompilePattern(const bexpr::Value& value, Test* test) {
    if (++regexes_ > limits_.max_filter_regexes) {
      return bexpr::ErrorAt(text_, value.offset,
                            Concat({"more than ", std::to_string(limits_.max_filter_regexes),
                                    " regular expressions"}));
    }
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(limits_.max_filter_regex_memory_bytes);
    test->pattern = std::make_unique<const RE2>(value.text, options);
    if (test->pattern->ok()) return absl::OkStatus();
    return bexpr::ErrorAt(text_, value.offset,
                          Concat({"this is no regular expression: ", test->pattern->error()}));
  }

  const std::string_view text_;
  const Limits& limits_;
  int regexes_ = 0;
};

class FilterImpl final : public Filter {
 public:
  FilterImpl(std::string_view text, Condition condition)
      : text_(text), condition_(std::move(condition)) {}

  const std::string& text() const override { return text_; }
  bool Matches(const EventFields& event) const override { return Holds(condition_, event); }

 private:
  const std::string text_;
  const Condition condition_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Filter>> Filter::Parse(std::string_view text,
                                                            const Limits& limits) {
  if (text.size() > limits.max_filter_bytes) {
    return absl::InvalidArgumentError(
        Concat({"longer than ", std::to_string(limits.max_filter_bytes), " bytes"}));
  }
  absl::StatusOr<Expression> expression = bexpr::Parse(text, limits);
  if (!expression.ok()) return expression.status();
  // Said last, because it is about a filter that has no other mistake; asked while it is whole.
  const absl::Status hope = CheckHope(text, *expression);
  absl::StatusOr<Condition> condition = Compiler(text, limits).Compile(*std::move(expression));
  if (!condition.ok()) return condition.status();
  if (!hope.ok()) return hope;
  return std::make_shared<const FilterImpl>(text, *std::move(condition));
}

}  // namespace belfry::bus
