#pragma once

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/engine.h"
#include "re2/re2.h"
#include "sdk/src/engine_instance.h"
#include "sdk/src/field_conversion.h"
#include "sdk/src/path_pattern.h"
#include "sdk/src/pattern_automaton.h"

namespace belfry::internal {

// A declared field or path parameter.
struct DeclaredField {
  std::string name;
  std::string help;
  FieldType type = FieldType::kString;
  bool from_path = false;
  bool required = false;
  bool sensitive = false;
  bool has_default = false;
  std::any initial;  // The default, or the type's zero.
  // What For names; empty: see RouteImpl::Belongs.
  std::set<Operation> operations = {};
  // Empty: any.
  Json::Array allowed = {};
};

// The values of one request's fields, in the order of their declaration.
struct FieldValues {
  std::vector<std::any> values;
  std::vector<bool> given;
  std::vector<std::string> warnings;
};

// For messages and help: `"a", "b"`.
std::string AllowedText(const DeclaredField& field);

// What a handler's operation is called in help and messages.
std::string_view OperationName(Operation operation);

// A Route as it is kept: its expression, its fields, its handlers. Described by one thread;
// afterwards const and thread-safe.
class RouteImpl final : public Route {
 public:
  // `pattern` is how the author wrote what `parsed` says, at `where`.
  RouteImpl(std::string_view pattern, std::string_view help, PathPattern parsed,
            std::source_location where);

  // Nothing may be described after it. The mistakes of this route alone, each a sentence that
  // begins with title().
  std::vector<std::string> EndDescription();
  // For messages: its pattern, and where it is described.
  std::string title() const;

  // The captures of `path`, or nullopt when it is not this route's.
  std::optional<std::map<std::string, std::string>> Match(std::string_view path) const;
  // Whether this route matches every path that `later` does, so that `later` is never reached.
  // Of a regular expression this is said only where it is sure.
  bool Hides(const RouteImpl& later) const;
  // Whether it may match something that begins with `prefix`; of a regular expression this is true
  // where it is not sure.
  bool MayBeginWith(std::string_view prefix) const;
  // How many bytes at the beginning of `path` are like what this route matches.
  std::size_t Reach(std::string_view path) const;
  // Why it does not match `path`, after title() and "matches no such path: ".
  std::string WhyNot(std::string_view path) const;

  // Whether the field is one of this operation. (engine.h, Route)
  bool Belongs(const DeclaredField& field, Operation operation) const;
  // InvalidArgument when an operation lacks a field that it needs.
  absl::Status CheckRequired(const Json::Object& data, Operation operation) const;
  // InvalidArgument for a field that does not convert.
  absl::StatusOr<FieldValues> Collect(const std::map<std::string, std::string>& captures,
                                      const Json::Object& data, Operation operation) const;
  // Null when there is none for it.
  const Handler* HandlerFor(Operation operation) const;
  const ExistenceCheck* existence_check() const { return exists_if_ ? &exists_if_ : nullptr; }
  bool Handles(Operation operation) const { return HandlerFor(operation) != nullptr; }
  bool Writable() const { return Handles(Operation::kCreate) || Handles(Operation::kUpdate); }
  // Whether a write may be a create.
  bool Creates() const { return Writable() && !only_updates_; }
  // Whether its handlers must know which it is.
  bool TellsCreates() const { return Creates() && !upserts_; }
  const std::string& pattern() const { return pattern_; }
  // Empty when there is none. (path_pattern.h)
  const std::string& path_template() const { return parsed_.path_template; }
  // Those in the path, declared or not.
  const std::vector<std::string>& parameters() const { return parsed_.parameters; }
  const std::vector<DeclaredField>& fields() const { return fields_; }
  // Null when it is not declared.
  const DeclaredField* FindField(std::string_view name) const;
  bool accepts_any_field() const { return accepts_any_field_; }
  // The help's first line, and the rest.
  std::string_view summary() const;
  std::string_view details() const;

  Route& OnRead(Handler handler) override;
  Route& OnWrite(Handler handler) override;
  Route& OnCreate(Handler handler) override;
  Route& OnUpdate(Handler handler) override;
  Route& OnDelete(Handler handler) override;
  Route& OnList(Handler handler) override;
  Route& OnPatch(Handler handler) override;
  Route& ExistsIf(ExistenceCheck check) override;
  Route& OnlyUpdates() override;
  Route& Upserts() override;
  Route& AcceptAnyField() override;

 private:
  static constexpr std::size_t kOperations = 8;

  std::string LiteralPrefix() const;

  static absl::StatusOr<std::any> Convert(const DeclaredField& field, const Json& given,
                                          Operation operation);
  std::vector<std::string> WarningsAbout(const Json::Object& data) const;
  // `call` is what the author wrote, for messages.
  template <typename Function>
  Route& Set(Function& place, Function given, std::string_view call);
  Handler& Place(Operation operation) { return handlers_[static_cast<std::size_t>(operation)]; }
  bool Has(Operation operation) const {
    return static_cast<bool>(handlers_[static_cast<std::size_t>(operation)]);
  }
  void CheckDescribing() const;
  void CheckNew(std::string_view name);
  void CheckHandlers();
  void CheckWriting();
  void CheckField(const DeclaredField& field);
  void Mistake(std::initializer_list<std::string_view> text);
  FieldId AddParam(std::string_view name, std::string_view help) override;
  FieldId AddField(std::string_view name, std::string_view help,
                   const std::type_info& type) override;
  void MarkRequired(FieldId field) override;
  void SetDefault(FieldId field, std::any value) override;
  void MarkSensitive(FieldId field) override;
  void SetOperations(FieldId field, std::initializer_list<Operation> operations) override;
  void SetAllowed(FieldId field, Json::Array values) override;
  // Null, and a mistake, when it is another route's.
  DeclaredField* Mine(FieldId field, std::string_view call);

  const std::string pattern_;
  const std::string help_;
  const PathPattern parsed_;
  const std::source_location where_;
  const RE2 regex_;
  const PatternAutomaton automaton_;
  std::vector<DeclaredField> fields_;
  std::array<Handler, kOperations> handlers_;
  Handler write_;
  ExistenceCheck exists_if_;
  bool only_updates_ = false;
  bool upserts_ = false;
  bool accepts_any_field_ = false;
  bool described_ = false;
  std::vector<std::string> mistakes_;
};

}  // namespace belfry::internal
