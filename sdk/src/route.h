#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/engine.h"
#include "re2/re2.h"
#include "sdk/src/engine_instance.h"
#include "sdk/src/field_conversion.h"
#include "sdk/src/path_pattern.h"

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
};

// The values of one request's fields, in the order of their declaration.
struct FieldValues {
  std::vector<std::any> values;
  std::vector<bool> given;
  std::vector<std::string> warnings;
};

// A Route as it is kept: its expression, its fields, its handlers. Described by one thread;
// afterwards const and thread-safe.
class RouteImpl final : public Route {
 public:
  // `pattern` is how the author wrote what `parsed` says.
  RouteImpl(std::string_view pattern, std::string_view help, PathPattern parsed);

  // What was described wrongly, if anything.
  const absl::Status& mistake() const { return mistake_; }
  void EndDescription() { described_ = true; }

  // The captures of `path`, or nullopt when it is not this route's.
  std::optional<std::map<std::string, std::string>> Match(std::string_view path) const;
  // InvalidArgument when a create or update lacks a field that it needs.
  absl::Status CheckRequired(const Json::Object& data, Operation operation) const;
  // InvalidArgument for a field that does not convert.
  absl::StatusOr<FieldValues> Collect(const std::map<std::string, std::string>& captures,
                                      const Json::Object& data, Operation operation) const;
  // Null when there is none for it.
  const Handler* HandlerFor(Operation operation) const;
  const ExistenceCheck* existence_check() const { return exists_if_ ? &exists_if_ : nullptr; }
  bool Writable() const {
    return HandlerFor(Operation::kCreate) != nullptr || HandlerFor(Operation::kUpdate) != nullptr;
  }
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

  Route& OnRead(Handler handler) override { return Set(Operation::kRead, std::move(handler)); }
  Route& OnWrite(Handler handler) override;
  Route& OnCreate(Handler handler) override { return Set(Operation::kCreate, std::move(handler)); }
  Route& OnUpdate(Handler handler) override { return Set(Operation::kUpdate, std::move(handler)); }
  Route& OnDelete(Handler handler) override { return Set(Operation::kDelete, std::move(handler)); }
  Route& OnList(Handler handler) override { return Set(Operation::kList, std::move(handler)); }
  Route& OnPatch(Handler handler) override { return Set(Operation::kPatch, std::move(handler)); }
  Route& ExistsIf(ExistenceCheck check) override;
  Route& OnlyUpdates() override;
  Route& Upserts() override;
  Route& AcceptAnyField() override;

 private:
  static constexpr std::size_t kOperations = 8;

  static absl::StatusOr<std::any> Convert(const DeclaredField& field, const Json& given,
                                          Operation operation);
  std::vector<std::string> WarningsAbout(const Json::Object& data) const;
  Route& Set(Operation operation, Handler handler);
  void CheckDescribing() const;
  void CheckNew(std::string_view name);
  void Mistake(std::string text);
  FieldId AddParam(std::string_view name, std::string_view help) override;
  FieldId AddField(std::string_view name, std::string_view help,
                   const std::type_info& type) override;
  void MarkRequired(FieldId field) override;
  void SetDefault(FieldId field, std::any value) override;
  void MarkSensitive(FieldId field) override;
  DeclaredField& Mine(FieldId field);

  const std::string pattern_;
  const std::string help_;
  const PathPattern parsed_;
  const RE2 regex_;
  std::vector<DeclaredField> fields_;
  std::array<Handler, kOperations> handlers_;
  Handler write_;
  ExistenceCheck exists_if_;
  bool only_updates_ = false;
  bool upserts_ = false;
  bool accepts_any_field_ = false;
  bool described_ = false;
  absl::Status mistake_;
};

}  // namespace belfry::internal
